#include "http/openai_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/json.h"
#include "http/fields.h"
#include "http/openai_chat.h"

namespace varve::http {

namespace {

using Role = Turn::Role;

// Members with `accepted` come back from clients that store whole answers.
constexpr auto kMessageFields = std::to_array<Field>({
    {.name = "role", .says = "`system`, `developer` (the same), `user`, `assistant`, `tool`", .kinds = kText},
    {.name = "content", .says = "a text, or a list of parts of the type `text`", .kinds = kText | kList},
    {.name = "name", .says = "goes to the template", .kinds = kText},
    {.name = "tool_calls", .says = "earlier calls, arguments as JSON text or an object", .kinds = kList},
    {.name = "tool_call_id", .says = "which call a result belongs to", .kinds = kText},
    {.name = "reasoning_content", .says = "an earlier thought, as it was sent", .kinds = kText},
    {.name = "reasoning", .kinds = kText, .same_as = "reasoning_content"},
    {.name = "refusal", .use = Use::accepted, .says = "of earlier answers"},
    {.name = "annotations", .use = Use::accepted, .says = "of earlier answers"},
    {.name = "parsed", .use = Use::accepted, .says = "of earlier answers"},
    {.name = "reasoning_details", .use = Use::accepted, .says = "of earlier answers"},
    {.name = "provider_specific_fields", .use = Use::accepted, .says = "of earlier answers"},
    {.name = "id", .use = Use::accepted, .says = "of earlier answers"},
    {.name = "cache_control", .use = Use::accepted, .says = "prefixes are found without it"},
    {.name = "audio", .use = Use::refused, .says = "no model for audio is loaded"},
    {.name = "function_call", .use = Use::refused, .says = "use tool_calls"},
    {.name = "prefix",
     .use = Use::refused,
     .says = "an answer cannot go on with a message",
     .harmless = "[false]"},
});

constexpr auto kCallFields = std::to_array<Field>({
    {.name = "id", .kinds = kText},
    {.name = "type", .kinds = kText},
    {.name = "function", .kinds = kTable},
    {.name = "index", .use = Use::accepted},
});

constexpr auto kToolFields = std::to_array<Field>({
    {.name = "type", .kinds = kText},
    {.name = "function", .kinds = kTable},
    {.name = "cache_control", .use = Use::accepted},
});

constexpr auto kFunctionFields = std::to_array<Field>({
    {.name = "name", .kinds = kText},
    {.name = "description", .kinds = kText},
    {.name = "parameters", .kinds = kTable},
    {.name = "strict", .kinds = kBoolean},
});

Result<std::string> part_text(const Value& part, const std::string& where) {
  if (part.is_text()) return part.text();
  const Value* type = part.find("type");
  if (!type || !type->is_text()) return wrong(where, "a part with a type", shown(part));
  for (const auto& [kind, member] : {std::pair("text", "text"), std::pair("refusal", "refusal")}) {
    if (type->text() != kind) continue;
    const Value* text = part.find(member);
    if (!text || !text->is_text())
      return wrong(fmt::format("{}.{}", where, member), "a text", text ? shown(*text) : "absent");
    return text->text();
  }
  return RequestError{fmt::format("{}: a part of the type {} cannot be read: the model that is loaded takes "
                                  "text only.",
                                  where, shown(*type)),
                      where};
}

Result<std::string> content_text(const Value* content, const std::string& where) {
  if (!content) return std::string();
  if (content->is_text()) return content->text();
  std::string text;
  bool first = true;
  for (size_t i = 0; i < content->array().size(); ++i) {
    Result<std::string> part = part_text(content->array()[i], fmt::format("{}[{}]", where, i));
    if (!part) return part;
    if (!std::exchange(first, false)) text += '\n';
    text += part.value();
  }
  return text;
}

Result<EarlierCall> earlier_call(const Value& value, const std::string& where) {
  if (!value.is_table()) return wrong(where, "an object", shown(value));
  const std::span<const Field> lists[] = {kCallFields};
  if (auto error = check_fields(value.table(), lists, where + ".")) return *error;
  const Value* function = given(value.table(), "function");
  if (text_or(value.table(), "type", "function") != "function" || !function)
    return wrong(where, "a call of a function", "of another type");
  const Value* name = function->find("name");
  if (!name || !name->is_text() || name->text().empty())
    return wrong(where + ".function.name", "the name of a tool", name ? shown(*name) : "absent");
  const Value* arguments = function->find("arguments");
  EarlierCall call{.id = text_or(value.table(), "id", ""), .name = name->text(), .arguments = {}};
  if (arguments && arguments->is_text()) {
    call.arguments = arguments->text();
  } else if (arguments && arguments->is_table()) {
    call.arguments = json::dump(*arguments);
  } else if (arguments && !arguments->is_null()) {
    return wrong(where + ".function.arguments", "JSON text", shown(*arguments));
  }
  return call;
}

Result<Role> role_of(const Table& message, const std::string& where) {
  const std::string role = text_or(message, "role", "");
  const std::pair<std::string_view, Role> roles[] = {{"system", Role::system},
                                                     {"developer", Role::system},
                                                     {"user", Role::user},
                                                     {"assistant", Role::assistant},
                                                     {"tool", Role::tool}};
  for (const auto& [name, value] : roles)
    if (role == name) return value;
  if (role == "function")
    return RequestError{where + ".role: \"function\" is not supported: use \"tool\".", where + ".role"};
  return wrong(where + ".role", "system, developer, user, assistant or tool", shown(Value(role)));
}

Result<Turn> turn_of(const Value& message, const std::string& where) {
  if (!message.is_table()) return wrong(where, "an object", shown(message));
  const Table& table = message.table();
  if (auto error = check_fields(table, openai_message_fields(), where + ".")) return *error;
  Result<Role> role = role_of(table, where);
  if (!role) return role.error();
  Turn turn{.role = role.value()};
  const Value* content = given(table, "content");
  const Value* calls = given(table, "tool_calls");
  if (!content && turn.role != Role::assistant)
    return wrong(where + ".content", "a text or a list of parts", "absent");
  Result<std::string> text = content_text(content, where + ".content");
  if (!text) return text.error();
  turn.text = std::move(text.value());
  turn.name = text_or(table, "name", "");
  turn.call_id = text_or(table, "tool_call_id", "");
  if (turn.role == Role::tool && turn.call_id.empty() && turn.name.empty())
    return wrong(where + ".tool_call_id", "the id of the call that this is the result of", "absent");
  if (turn.role != Role::assistant && calls && !calls->array().empty())
    return RequestError{where + ".tool_calls: only messages of the assistant have calls.",
                        where + ".tool_calls"};
  if (turn.role != Role::assistant) return turn;
  turn.reasoning = text_or(table, "reasoning_content", text_or(table, "reasoning", ""));
  if (!calls) return turn;
  for (size_t i = 0; i < calls->array().size(); ++i) {
    Result<EarlierCall> call = earlier_call(calls->array()[i], fmt::format("{}.tool_calls[{}]", where, i));
    if (!call) return call.error();
    turn.calls.push_back(std::move(call.value()));
  }
  return turn;
}

Result<Value> tool_of(const Value& tool, const std::string& where, std::vector<std::string>& seen) {
  if (!tool.is_table()) return wrong(where, "an object", shown(tool));
  const std::string type = text_or(tool.table(), "type", "function");
  if (type != "function")
    return RequestError{fmt::format("{}: tools of the type {} are not supported: only \"function\" is.",
                                    where, shown(Value(type))),
                        where + ".type"};
  const std::span<const Field> lists[] = {kToolFields};
  if (auto error = check_fields(tool.table(), lists, where + ".")) return *error;
  const Value* function = given(tool.table(), "function");
  if (!function) return wrong(where + ".function", "an object", "absent");
  const std::string inside = where + ".function.";
  const std::span<const Field> inner[] = {kFunctionFields};
  if (auto error = check_fields(function->table(), inner, inside)) return *error;
  const Table& parts = function->table();
  if (auto error = check_tool_name(given(parts, "name"), seen, inside)) return *error;
  Table nothing;
  nothing.set("type", Value("object"));
  nothing.set("properties", Value(Table{}));
  const Value no_parameters(std::move(nothing));
  const Value* parameters = given(parts, "parameters");
  const bool strict = flag(parts, "strict").value_or(false);
  return function_tool(parts.find("name")->text(), given(parts, "description"),
                       parameters ? parameters : &no_parameters, strict ? parts.find("strict") : nullptr);
}

std::optional<RequestError> read_tool_choice(const Value& choice, const std::vector<std::string>& names,
                                             engine::AnswerForm& form) {
  using Tools = engine::AnswerForm::Tools;
  constexpr std::string_view kWords = R"("none", "auto", "required" or {"type": "function", ...})";
  std::string word = choice.is_text() ? choice.text() : "";
  if (choice.is_table()) {
    const Value* type = choice.find("type");
    const Value* name = choice.find_path("function.name");
    if (!type || !type->is_text() || type->text() != "function")
      return RequestError{fmt::format("tool_choice of the type {} is not supported: send {}.",
                                      type ? shown(*type) : "nothing", kWords),
                          "tool_choice"};
    if (!name || !name->is_text() || std::find(names.begin(), names.end(), name->text()) == names.end())
      return RequestError{
          fmt::format("tool_choice names {}, which is none of the tools.", name ? shown(*name) : "nothing"),
          "tool_choice"};
    form.named_tool = name->text();
    word = "required";
  }
  if (word == "none")
    form.tools = Tools::none;
  else if (word == "auto")
    form.tools = Tools::automatic;
  else if (word == "required")
    form.tools = Tools::required;
  else
    return wrong("tool_choice", kWords, shown(choice));
  if (form.tools == Tools::required && names.empty())
    return RequestError{"tool_choice asks for a call, but there are no tools.", "tool_choice"};
  return std::nullopt;
}

}  // namespace

FieldLists openai_message_fields() {
  static constexpr std::span<const Field> kLists[] = {kMessageFields};
  return kLists;
}

Result<std::vector<Turn>> openai_turns(const Value* messages) {
  if (!messages || messages->array().empty())
    return wrong("messages", "a list of at least one message", messages ? "empty" : "absent");
  std::vector<Turn> turns;
  for (size_t i = 0; i < messages->array().size(); ++i) {
    Result<Turn> turn = turn_of(messages->array()[i], fmt::format("messages[{}]", i));
    if (!turn) return turn.error();
    turns.push_back(std::move(turn.value()));
  }
  return turns;
}

Result<Value> openai_tools(const Table& body, engine::AnswerForm& form) {
  return read_tools(body, {.tool = tool_of, .choice = read_tool_choice}, form);
}

}  // namespace varve::http
