#include "http/anthropic_conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "core/json.h"
#include "http/fields.h"

namespace varve::http {

namespace {

using Role = Turn::Role;

constexpr auto kMessageFields = std::to_array<Field>({
    {.name = "role", .kinds = kText},
    {.name = "content", .kinds = kText | kList},
    {.name = "id", .use = Use::accepted},
    {.name = "cache_control", .use = Use::accepted},
});

// Clients may add members that steer caches or tell where a block came from; none changes what it says.
constexpr auto kBlockFields = std::to_array<Field>({
    {.name = "type", .kinds = kText},
    {.name = "cache_control", .use = Use::accepted},
    {.name = "citations", .use = Use::accepted},
    {.name = "caller", .use = Use::accepted},
    {.name = "toolset_name", .use = Use::accepted},
    {.name = "text", .kinds = kText},
    {.name = "parsed_output", .use = Use::accepted},
    {.name = "thinking", .kinds = kText},
    {.name = "signature", .kinds = kText},
    {.name = "data", .use = Use::accepted},
    {.name = "id", .kinds = kText},
    {.name = "name", .kinds = kText},
    {.name = "input", .kinds = kTable},
    {.name = "tool_use_id", .kinds = kText},
    {.name = "content", .kinds = kText | kList},
    {.name = "is_error", .kinds = kBoolean},
});

constexpr auto kToolFields = std::to_array<Field>({
    {.name = "type", .kinds = kText},
    {.name = "name", .kinds = kText},
    {.name = "description", .kinds = kText},
    {.name = "input_schema", .kinds = kTable},
    {.name = "strict", .kinds = kBoolean},
    {.name = "cache_control", .use = Use::accepted},
    {.name = "eager_input_streaming", .use = Use::accepted, .kinds = kBoolean},
    {.name = "input_examples",
     .use = Use::refused,
     .says = "templates have no place for examples; put them into the description",
     .harmless = "[[]]"},
    {.name = "defer_loading",
     .use = Use::refused,
     .says = "all tools are in the prompt",
     .harmless = "[false]"},
    {.name = "allowed_callers",
     .use = Use::refused,
     .says = "only the client runs tools",
     .harmless = R"([["direct"]])"},
});

constexpr auto kChoiceFields = std::to_array<Field>({
    {.name = "type", .kinds = kText},
    {.name = "name", .kinds = kText},
    {.name = "disable_parallel_tool_use", .kinds = kBoolean},
});

RequestError no_such_block(std::string_view type, const std::string& where) {
  const bool media = type == "image" || type == "document";
  return {fmt::format("{}: blocks of the type {} are not supported: {}.", where, shown(Value(type)),
                      media ? "no model that sees is loaded" : "the server runs no tools and keeps no files"),
          where + ".type"};
}

/// The block's type, after its members were checked.
Result<std::string> type_of(const Value& block, const std::string& where) {
  if (!block.is_table()) return wrong(where, "an object", shown(block));
  const Value* type = block.find("type");
  if (!type || !type->is_text())
    return wrong(where + ".type", "the type of a block", type ? shown(*type) : "absent");
  const std::pair<std::string_view, bool> known[] = {{"text", true},
                                                     {"thinking", true},
                                                     {"tool_use", true},
                                                     {"tool_result", true},
                                                     {"redacted_thinking", true}};
  for (const auto& [name, yes] : known) {
    if (name != type->text()) continue;
    const std::span<const Field> lists[] = {kBlockFields};
    if (auto error = check_fields(block.table(), lists, where + ".")) return *error;
    return type->text();
  }
  return no_such_block(type->text().substr(0, 80), where);
}

Result<std::string> required_text(const Value& block, std::string_view member, const std::string& where) {
  const Value* text = given(block.table(), member);
  if (!text) return wrong(fmt::format("{}.{}", where, member), "a text", "absent");
  return text->text();
}

/// A text, or a list of text blocks with an empty line between.
Result<std::string> plain_text(const Value* content, const std::string& where) {
  if (!content) return std::string();
  if (content->is_text()) return content->text();
  if (!content->is_array()) return wrong(where, "a text or a list of blocks", shown(*content));
  std::string out;
  for (size_t i = 0; i < content->array().size(); ++i) {
    const std::string place = fmt::format("{}[{}]", where, i);
    const Value& block = content->array()[i];
    Result<std::string> type = type_of(block, place);
    if (!type) return type.error();
    if (type.value() != "text") return no_such_block(type.value(), place);
    Result<std::string> text = required_text(block, "text", place);
    if (!text) return text;
    add_paragraph(out, text.value());
  }
  return out;
}

std::string result_text(std::string text, bool is_error) {
  if (!is_error) return text;
  std::string head = text.substr(0, 5);
  std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool says_so = head == "error" || text.starts_with("<tool_use_error>");
  return says_so ? text : "Error: " + text;
}

/// Reads the blocks of one message into turns: results of tools are turns of their own, before the text that
/// stands after them.
class MessageReader {
 public:
  MessageReader(Role role, std::string where) : role_(role), where_(std::move(where)) {}

  std::optional<RequestError> add(const Value& block, const std::string& place) {
    Result<std::string> type = type_of(block, place);
    if (!type) return type.error();
    if (type.value() == "text") return add_text(block, place);
    if (role_ == Role::assistant) {
      if (type.value() == "thinking") return add_thought(block, place);
      if (type.value() == "redacted_thinking") return std::nullopt;  // nobody here can read it
      if (type.value() == "tool_use") return add_call(block, place);
    }
    if (role_ == Role::user && type.value() == "tool_result") return add_result(block, place);
    return RequestError{fmt::format("{}: a block of the type \"{}\" does not belong into a message of {}.",
                                    place, type.value(), role_ == Role::user ? "the user" : "this role"),
                        place + ".type"};
  }

  std::vector<Turn> take() {
    std::vector<Turn> out = std::move(results_);
    if (out.empty() || !turn_.text.empty()) out.push_back(std::move(turn_));
    return out;
  }

 private:
  std::optional<RequestError> add_text(const Value& block, const std::string& place) {
    Result<std::string> text = required_text(block, "text", place);
    if (!text) return text.error();
    turn_.role = role_;
    add_paragraph(turn_.text, text.value());
    return std::nullopt;
  }

  std::optional<RequestError> add_thought(const Value& block, const std::string& place) {
    Result<std::string> thought = required_text(block, "thinking", place);
    if (!thought) return thought.error();
    const std::string hidden = thought_of_signature(text_or(block.table(), "signature", ""));
    turn_.role = role_;
    add_paragraph(turn_.reasoning, thought.value().empty() ? hidden : thought.value());
    return std::nullopt;
  }

  std::optional<RequestError> add_call(const Value& block, const std::string& place) {
    Result<std::string> id = required_text(block, "id", place);
    if (!id) return id.error();
    Result<std::string> name = required_text(block, "name", place);
    if (!name) return name.error();
    const Value* input = given(block.table(), "input");
    turn_.role = role_;
    turn_.calls.push_back({.id = std::move(id.value()),
                           .name = std::move(name.value()),
                           .arguments = input ? json::dump(*input) : "{}"});
    return std::nullopt;
  }

  std::optional<RequestError> add_result(const Value& block, const std::string& place) {
    Result<std::string> id = required_text(block, "tool_use_id", place);
    if (!id) return id.error();
    Result<std::string> text = plain_text(given(block.table(), "content"), place + ".content");
    if (!text) return text.error();
    const bool is_error = flag(block.table(), "is_error").value_or(false);
    results_.push_back({.role = Role::tool,
                        .text = result_text(std::move(text.value()), is_error),
                        .call_id = std::move(id.value())});
    return std::nullopt;
  }

  Role role_;
  std::string where_;
  Turn turn_{.role = role_};
  std::vector<Turn> results_;
};

Result<std::vector<Turn>> message_turns(const Value& message, const std::string& where) {
  if (!message.is_table()) return wrong(where, "an object", shown(message));
  const std::span<const Field> lists[] = {kMessageFields};
  if (auto error = check_fields(message.table(), lists, where + ".")) return *error;
  const std::string name = text_or(message.table(), "role", "");
  const Value* content = given(message.table(), "content");
  if (name != "user" && name != "assistant" && name != "system")
    return wrong(where + ".role", "user, assistant or system", shown(Value(name)));
  if (!content) return wrong(where + ".content", "a text or a list of blocks", "absent");
  const Role role = name == "user" ? Role::user : name == "assistant" ? Role::assistant : Role::system;
  if (role == Role::system) {
    Result<std::string> text = plain_text(content, where + ".content");
    if (!text) return text.error();
    if (text.value().empty() || counts_tokens_only(text.value())) return std::vector<Turn>{};
    return std::vector{Turn{.role = role, .text = std::move(text.value())}};
  }
  if (content->is_text()) return std::vector{Turn{.role = role, .text = content->text()}};
  MessageReader reader(role, where);
  for (size_t i = 0; i < content->array().size(); ++i)
    if (auto error = reader.add(content->array()[i], fmt::format("{}.content[{}]", where, i))) return *error;
  return reader.take();
}

/// Blocks with an empty line between, the billing header left out.
Result<std::string> system_text(const Value& system) {
  if (system.is_text()) return std::string(without_billing_header(system.text()));
  std::string out;
  for (size_t i = 0; i < system.array().size(); ++i) {
    const Value one(Array{system.array()[i]});
    Result<std::string> text = plain_text(&one, fmt::format("system[{}]", i));
    if (!text) return text;
    add_paragraph(out, without_billing_header(text.value()));
  }
  return out;
}

Result<Value> tool_of(const Value& tool, const std::string& where, std::vector<std::string>& seen) {
  if (!tool.is_table()) return wrong(where, "an object", shown(tool));
  const std::string type = text_or(tool.table(), "type", "custom");
  if (type != "custom")
    return RequestError{fmt::format("{}: tools of the type {} are not supported: the server runs no tools. "
                                    "Describe it with input_schema and run it yourself.",
                                    where, json::dump(Value(type.substr(0, 80)))),
                        where + ".type"};
  const std::span<const Field> lists[] = {kToolFields};
  if (auto error = check_fields(tool.table(), lists, where + ".")) return *error;
  const Table& table = tool.table();
  if (auto error = check_tool_name(given(table, "name"), seen, where + ".")) return *error;
  const Value* schema = given(table, "input_schema");
  if (!schema) return wrong(where + ".input_schema", "a JSON schema", "absent");
  const bool strict = flag(table, "strict").value_or(false);
  return function_tool(table.find("name")->text(), given(table, "description"), schema,
                       strict ? table.find("strict") : nullptr);
}

std::optional<RequestError> read_tool_choice(const Value& choice, const std::vector<std::string>& names,
                                             engine::AnswerForm& form) {
  using Tools = engine::AnswerForm::Tools;
  const std::span<const Field> lists[] = {kChoiceFields};
  if (auto error = check_fields(choice.table(), lists, "tool_choice.")) return error;
  const std::string type = text_or(choice.table(), "type", "");
  if (type == "tool") {
    form.named_tool = text_or(choice.table(), "name", "");
    if (std::find(names.begin(), names.end(), form.named_tool) == names.end())
      return RequestError{
          fmt::format("tool_choice names {}, which is none of the tools.", shown(Value(form.named_tool))),
          "tool_choice.name"};
  }
  if (type == "auto")
    form.tools = Tools::automatic;
  else if (type == "none")
    form.tools = Tools::none;
  else if (type == "any" || type == "tool")
    form.tools = Tools::required;
  else
    return wrong("tool_choice.type", "auto, any, tool or none", shown(Value(type)));
  if (form.tools == Tools::required && names.empty())
    return RequestError{"tool_choice asks for a call, but there are no tools.", "tool_choice"};
  if (flag(choice.table(), "disable_parallel_tool_use").value_or(false)) form.parallel_tools = false;
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool strip_tag(std::string_view& text, std::string_view open, std::string_view close) {
  if (!text.starts_with(open) || !text.ends_with(close) || text.size() < open.size() + close.size())
    return false;
  text = trimmed(text.substr(open.size(), text.size() - open.size() - close.size()));
  return true;
}

}  // namespace

std::string_view without_billing_header(std::string_view text) {
  constexpr std::string_view kHeader = "x-anthropic-billing-header:";
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || !text.substr(start).starts_with(kHeader)) return text;
  std::string_view rest = text.substr(start + kHeader.size());
  size_t end = 0;  // behind the last "name=value;"
  while (true) {
    size_t at = rest.find_first_not_of(' ', end);
    const size_t name = at;
    while (at < rest.size() && (std::isalnum(static_cast<unsigned char>(rest[at])) || rest[at] == '_')) ++at;
    if (at == name || at >= rest.size() || rest[at] != '=') break;
    at = rest.find_first_of(";\n", at);
    end = at == std::string_view::npos ? rest.size() : at + 1;
  }
  if (end == 0) end = std::min(rest.find('\n'), rest.size());  // a header of another kind: its line
  const size_t more = rest.find_first_not_of(" \r\n", end);
  return more == std::string_view::npos ? std::string_view() : rest.substr(more);
}

bool counts_tokens_only(std::string_view text) {
  text = trimmed(text);
  strip_tag(text, "<system-reminder>", "</system-reminder>");
  const bool tagged = strip_tag(text, "<total_tokens>", "</total_tokens>");
  if (!tagged && !text.starts_with("Token usage:")) return false;
  // "14999436 tokens left", "Token usage: 1200/200000; 198800 remaining": one short line and no more.
  constexpr size_t kShort = 120;
  return text.size() <= kShort && text.find('\n') == std::string_view::npos &&
         text.find('<') == std::string_view::npos;
}

Result<std::vector<Turn>> anthropic_turns(const Value* system, const Value* messages) {
  if (!messages || messages->array().empty())
    return wrong("messages", "a list of at least one message", messages ? "empty" : "absent");
  std::vector<Turn> turns;
  if (system) {
    Result<std::string> text = system_text(*system);
    if (!text) return text.error();
    if (!text.value().empty()) turns.push_back({.role = Role::system, .text = std::move(text.value())});
  }
  for (size_t i = 0; i < messages->array().size(); ++i) {
    Result<std::vector<Turn>> more = message_turns(messages->array()[i], fmt::format("messages[{}]", i));
    if (!more) return more.error();
    for (Turn& turn : more.value()) turns.push_back(std::move(turn));
  }
  if (turns.empty() || (turns.size() == 1 && turns[0].role == Role::system && system))
    return RequestError{"messages say nothing.", "messages"};
  if (turns.back().role == Role::assistant)
    return RequestError{
        "messages end with one of the assistant: prefill is not supported by this model. The last "
        "message must be the user's.",
        "messages"};
  join_neighbours(turns, Role::user);
  join_neighbours(turns, Role::assistant);
  return turns;
}

Result<Value> anthropic_tools(const Table& body, engine::AnswerForm& form) {
  return read_tools(body, {.tool = tool_of, .choice = read_tool_choice}, form);
}

}  // namespace varve::http
