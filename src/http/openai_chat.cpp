#include "http/openai_chat.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/json.h"
#include "http/openai_chat_encoder.h"
#include "http/openai_messages.h"

namespace varve::http {

namespace {

constexpr auto kChatFields = std::to_array<Field>({
    {.name = "messages", .says = "the conversation; its members are below", .kinds = kList},
    {.name = "tools", .says = "256 at most, of the type `function`; `strict` is honoured", .kinds = kList},
    {.name = "tool_choice", .says = "`none`, `auto`, `required` or one function", .kinds = kText | kTable},
    {.name = "parallel_tool_calls",
     .says = "false: one call at most",
     .kinds = kBoolean,
     .apply = apply_parallel_tools},
    {.name = "response_format",
     .says = "`text`, `json_object` or `json_schema`, whose schema always holds",
     .kinds = kTable},
    {.name = "logprobs", .says = "of all tokens of the answer but the one that stops it", .kinds = kBoolean},
    {.name = "top_logprobs",
     .says = "with `logprobs`",
     .kinds = kWhole,
     .low = 0,
     .high = engine::kMaxTopLogprobs},
    {.name = "reasoning_effort",
     .says =
         "`none`: no thought; other levels go to the template, or turn thinking on where it has no levels",
     .kinds = kText},
    {.name = "reasoning",
     .says = "an object with `effort`, `max_tokens`, `enabled`, `exclude`",
     .kinds = kTable},
    {.name = "thinking",
     .says = "an object with `type` (`enabled`, `disabled`) and `budget_tokens`",
     .kinds = kTable},
    {.name = "enable_thinking", .says = "true or false", .kinds = kBoolean},
    {.name = "thinking_budget",
     .says = "tokens of a thought, which is then closed",
     .kinds = kWhole,
     .low = 0,
     .high = engine::kMostTokens},
    {.name = "thinking_budget_tokens",
     .kinds = kWhole,
     .low = 0,
     .high = engine::kMostTokens,
     .same_as = "thinking_budget"},
    {.name = "include_reasoning", .says = "false: thoughts are not sent", .kinds = kBoolean},
    {.name = "reasoning_format",
     .use = Use::refused,
     .says = "thoughts are always told apart from the answer",
     .harmless = R"(["auto"])"},
    {.name = "chat_template_kwargs", .says = "variables for the template, 64 at most", .kinds = kTable},
    {.name = "documents", .says = "a list for templates that know documents", .kinds = kList},
    {.name = "chat_template", .use = Use::refused, .says = "the template is the model's own"},
    {.name = "add_generation_prompt",
     .use = Use::refused,
     .says = "an answer is always a new message",
     .harmless = "[true]"},
    {.name = "continue_final_message",
     .use = Use::refused,
     .says = "an answer is always a new message",
     .harmless = "[false]"},
    {.name = "functions", .use = Use::refused, .says = "use tools", .harmless = "[[]]"},
    {.name = "function_call", .use = Use::refused, .says = "use tool_choice", .harmless = R"(["none"])"},
    {.name = "modalities", .use = Use::refused, .says = "answers are text", .harmless = R"([["text"]])"},
    {.name = "audio", .use = Use::refused, .says = "answers are text"},
    {.name = "prediction", .use = Use::refused, .says = "answers are not predicted from outside"},
    {.name = "web_search_options", .use = Use::refused, .says = "the server searches nothing"},
    {.name = "moderation", .use = Use::refused, .says = "there is no moderation"},
    {.name = "verbosity",
     .use = Use::refused,
     .says = "models have no such setting",
     .harmless = R"(["medium"])"},
});

constexpr auto kFormatFields = std::to_array<Field>({
    {.name = "type", .kinds = kText},
    {.name = "json_schema", .kinds = kTable},
    {.name = "schema", .kinds = kTable},
});
constexpr auto kSchemaFields = std::to_array<Field>({
    {.name = "name", .kinds = kText},
    {.name = "description", .kinds = kText},
    {.name = "schema", .kinds = kTable | kBoolean},
    {.name = "strict", .kinds = kBoolean},
});
constexpr auto kReasoningFields = std::to_array<Field>({
    {.name = "effort", .kinds = kText},
    {.name = "max_tokens", .kinds = kWhole, .low = 0, .high = engine::kMostTokens},
    {.name = "enabled", .kinds = kBoolean},
    {.name = "exclude", .kinds = kBoolean},
    {.name = "summary",
     .use = Use::refused,
     .says = "thoughts are sent as they are",
     .harmless = R"(["auto"])"},
});
constexpr auto kThinkingFields = std::to_array<Field>({
    {.name = "type", .kinds = kText},
    {.name = "budget_tokens", .kinds = kWhole, .low = 0, .high = engine::kMostTokens},
});

std::optional<RequestError> read_format(const Table& body, engine::Request& request) {
  const Value* format = given(body, "response_format");
  if (!format) return std::nullopt;
  const std::span<const Field> lists[] = {kFormatFields};
  if (auto error = check_fields(format->table(), lists, "response_format.")) return error;
  const std::string type = text_or(format->table(), "type", "");
  if (type == "text") return std::nullopt;
  const Value* schema = given(format->table(), "schema");
  if (type == "json_schema") {
    const Value* wrapped = given(format->table(), "json_schema");
    if (!wrapped && !schema) return wrong("response_format.json_schema", "an object", "absent");
    const std::span<const Field> inner[] = {kSchemaFields};
    if (wrapped)
      if (auto error = check_fields(wrapped->table(), inner, "response_format.json_schema.")) return error;
    if (wrapped) schema = given(wrapped->table(), "schema");
  } else if (type != "json_object") {
    return wrong("response_format.type", "text, json_object or json_schema", shown(Value(type)));
  }
  engine::Grammar grammar;
  if (schema) grammar = {.kind = text::GrammarKind::json_schema, .text = json::dump(*schema)};
  return set_grammar(request, std::move(grammar), "response_format");
}

std::optional<RequestError> set_effort(const std::string& effort, std::string_view field,
                                       const ChatTraits& traits, engine::Reasoning& reasoning) {
  constexpr std::string_view kLevels[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
  if (std::find(std::begin(kLevels), std::end(kLevels), effort) == std::end(kLevels))
    return wrong(field, "none, minimal, low, medium, high, xhigh or max", shown(Value(effort)));
  if (effort == "none")
    reasoning.enabled = false;
  else if (traits.thinking_switch && !traits.effort)
    reasoning.enabled = true;
  else
    reasoning.effort = effort;
  return std::nullopt;
}

std::optional<RequestError> read_reasoning_object(const Table& object, const ChatTraits& traits,
                                                  engine::Reasoning& reasoning, bool& shown_to_client) {
  const std::span<const Field> lists[] = {kReasoningFields};
  if (auto error = check_fields(object, lists, "reasoning.")) return error;
  if (auto enabled = flag(object, "enabled")) reasoning.enabled = enabled;
  if (auto most = whole(object, "max_tokens")) reasoning.budget = most;
  if (flag(object, "exclude").value_or(false)) shown_to_client = false;
  const Value* effort = given(object, "effort");
  return effort ? set_effort(effort->text(), "reasoning.effort", traits, reasoning) : std::nullopt;
}

std::optional<RequestError> read_thinking_object(const Table& object, engine::Reasoning& reasoning) {
  const std::span<const Field> lists[] = {kThinkingFields};
  if (auto error = check_fields(object, lists, "thinking.")) return error;
  const std::string type = text_or(object, "type", "");
  if (type != "enabled" && type != "disabled")
    return wrong("thinking.type", "enabled or disabled", shown(Value(type)));
  reasoning.enabled = type == "enabled";
  if (auto budget = whole(object, "budget_tokens")) reasoning.budget = budget;
  return std::nullopt;
}

std::optional<RequestError> read_reasoning(const Table& body, const ChatTraits& traits,
                                           engine::Reasoning& reasoning, bool& shown_to_client) {
  shown_to_client = flag(body, "include_reasoning").value_or(true);
  if (const Value* effort = given(body, "reasoning_effort"))
    if (auto error = set_effort(effort->text(), "reasoning_effort", traits, reasoning)) return error;
  if (const Value* object = given(body, "reasoning"))
    if (auto error = read_reasoning_object(object->table(), traits, reasoning, shown_to_client)) return error;
  if (const Value* object = given(body, "thinking"))
    if (auto error = read_thinking_object(object->table(), reasoning)) return error;
  if (auto enabled = flag(body, "enable_thinking")) reasoning.enabled = enabled;
  for (const std::string_view name : {"thinking_budget", "thinking_budget_tokens"})
    if (auto budget = whole(body, name)) reasoning.budget = budget;
  return std::nullopt;
}

/// Variables that the request has members for go to these members' places.
std::optional<RequestError> read_template_fields(const Table& body, const ChatTraits& traits,
                                                 engine::Reasoning& reasoning, Table& extra) {
  const Value* fields = given(body, "chat_template_kwargs");
  if (!fields) return std::nullopt;
  if (fields->table().size() > kMaxTemplateFields)
    return wrong("chat_template_kwargs", fmt::format("at most {} members", kMaxTemplateFields),
                 fmt::format("{}", fields->table().size()));
  for (const auto& [name, value] : fields->table()) {
    for (const std::string_view own : {"messages", "tools", "documents", "add_generation_prompt", "tokenize",
                                       "chat_template", "return_dict", "continue_final_message"})
      if (name == own)
        return RequestError{fmt::format("chat_template_kwargs.{} is not for a request to set.", name),
                            "chat_template_kwargs"};
    if (name == "enable_thinking" && value.is_boolean()) {
      reasoning.enabled = value.boolean();
    } else if (name == "reasoning_effort" && value.is_text()) {
      if (auto error = set_effort(value.text(), "chat_template_kwargs.reasoning_effort", traits, reasoning))
        return error;
    } else {
      extra.set(name, value);
    }
  }
  return std::nullopt;
}

std::optional<RequestError> read_logprobs(const Table& body, const ServedModel& model,
                                          engine::Sampling& sampling) {
  const std::optional<int64_t> top = whole(body, "top_logprobs");
  if (!flag(body, "logprobs").value_or(false)) {
    if (!top || *top == 0) return std::nullopt;
    return RequestError{"top_logprobs needs \"logprobs\": true beside it.", "top_logprobs"};
  }
  if (!model.text) return RequestError{"logprobs need a tokenizer, and this model has none.", "logprobs"};
  sampling.top_logprobs = static_cast<int32_t>(top.value_or(0));
  return std::nullopt;
}

}  // namespace

FieldLists openai_chat_fields() {
  static constexpr std::span<const Field> kLists[] = {kChatFields, kSamplingFields, kConstraintFields,
                                                      kOpenaiFields};
  return kLists;
}

Result<Call> openai_chat_decode(const Value& body, const Headers& /*headers*/, const ServedModel& model) {
  if (!body.is_table()) return no_object(body);
  const Table& table = body.table();
  if (auto error = check_fields(table, openai_chat_fields())) return *error;
  if (auto error = check_model(table, model)) return *error;
  Call call;
  call.stream = flag(table, "stream").value_or(false);
  engine::Request request = default_request(model, call.stream);
  request.form.read = true;
  OpenaiForm form{.model = model.name, .stream = call.stream};
  bool show_reasoning = true;
  Result<StreamOptions> options = openai_stream_options(table);
  if (!options) return options.error();
  form.options = options.value();
  if (auto error = apply_fields(table, openai_chat_fields(), request)) return *error;
  if (auto error = read_format(table, request)) return *error;
  if (auto error = read_logprobs(table, model, request.sampling)) return *error;
  if (auto error = read_reasoning(table, model.chat, request.reasoning, show_reasoning)) return *error;
  Result<std::vector<Turn>> turns = openai_turns(given(table, "messages"));
  if (!turns) return turns.error();
  Result<Value> tools = openai_tools(table, request.form);
  if (!tools) return tools.error();
  text::ChatInput input = chat_input(std::move(turns.value()), std::move(tools.value()), model.chat);
  if (auto error = read_template_fields(table, model.chat, request.reasoning, input.extra)) return *error;
  if (const Value* documents = given(table, "documents")) input.documents = *documents;
  request.prompt = std::move(input);
  form.logprobs = request.sampling.top_logprobs.has_value();
  form.tokenizer = model.text ? &model.text->tokenizer() : nullptr;
  call.requests.push_back(std::move(request));
  form.prompt_of = prompt_of_choice(call.requests);
  call.encoder = openai_chat_encoder(std::move(form), show_reasoning);
  return call;
}

}  // namespace varve::http
