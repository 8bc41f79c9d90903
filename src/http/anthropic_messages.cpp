#include "http/anthropic_messages.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/json.h"
#include "http/anthropic_conversation.h"
#include "http/anthropic_encoder.h"
#include "http/request_fields.h"

namespace varve::http {

namespace {

constexpr auto kPromptFields = std::to_array<Field>({
    {.name = "model", .says = "any name: the one model answers, under its own", .kinds = kText},
    {.name = "system", .says = "a text or text blocks; a billing header is left out", .kinds = kText | kList},
    {.name = "messages",
     .says =
         "roles `user`, `assistant`, `system`; blocks `text`, `thinking`, `redacted_thinking` (left out), "
         "`tool_use`, `tool_result` with text; the last one is not the assistant's",
     .kinds = kList},
    {.name = "tools", .says = "256 at most, with an `input_schema`; `strict` is honoured", .kinds = kList},
    {.name = "tool_choice",
     .says = "`auto`, `any`, `tool`, `none`; `disable_parallel_tool_use`",
     .kinds = kTable},
    {.name = "thinking",
     .says =
         "`enabled` with `budget_tokens`, `disabled`, `adaptive`, `between_tools` (both: as the template has "
         "it); `display`. Without effect on a model that does not think",
     .kinds = kTable},
    {.name = "output_config",
     .says =
         "`format` of the type `json_schema`; `effort` where the template has levels, else without effect",
     .kinds = kTable},
    {.name = "output_format", .says = "of the type `json_schema`", .kinds = kTable},
    {.name = "cache_control", .use = Use::accepted, .says = "prefixes are found without it", .kinds = kTable},
    {.name = "speed", .use = Use::refused, .says = "there is one speed", .harmless = R"(["standard"])"},
    {.name = "context_management",
     .says =
         "`clear_thinking_...` edits have no effect, as templates leave earlier thoughts out by themselves; "
         "others are refused",
     .kinds = kTable},
    {.name = "mcp_servers", .use = Use::refused, .says = "the server runs no tools", .harmless = "[[]]"},
    {.name = "user_profile_id", .use = Use::accepted, .says = "not looked at", .kinds = kText},
    {.name = "workspace_id", .use = Use::accepted, .says = "not looked at", .kinds = kText},
    {.name = "betas", .use = Use::accepted, .says = "not looked at", .kinds = kList},
    {.name = "anthropic_version", .use = Use::accepted, .says = "not looked at", .kinds = kText},
});

constexpr auto kAnswerFields = std::to_array<Field>({
    {.name = "max_tokens",
     .says = "tokens of the answer at most, thoughts included; absent: what fits",
     .kinds = kWhole,
     .low = 1,
     .high = engine::kMostTokens,
     .apply = apply_max_tokens},
    kTemperatureField,
    kTopPField,
    kTopKField,
    {.name = "stop_sequences",
     .says = "16 at most, of 1 to 256 bytes each",
     .kinds = kList,
     .apply = apply_stop},
    {.name = "stream", .says = "server-sent events", .kinds = kBoolean},
    {.name = "metadata", .use = Use::accepted, .says = "not looked at", .kinds = kTable},
    {.name = "service_tier",
     .use = Use::refused,
     .says = "there is one tier",
     .harmless = R"(["auto","standard_only"])"},
    {.name = "container", .use = Use::refused, .says = "the server runs no code"},
    {.name = "inference_geo", .use = Use::accepted, .says = "the answer is made here", .kinds = kText},
    {.name = "diagnostics", .use = Use::accepted, .says = "none are given", .kinds = kTable},
});

constexpr auto kThinkingFields = std::to_array<Field>({
    {.name = "type", .kinds = kText},
    {.name = "budget_tokens", .kinds = kWhole, .low = 1, .high = engine::kMostTokens},
    {.name = "display", .kinds = kText},
});
constexpr auto kOutputFields = std::to_array<Field>({
    {.name = "effort", .kinds = kText},
    {.name = "format", .kinds = kTable},
});
constexpr auto kFormatFields = std::to_array<Field>({
    {.name = "type", .kinds = kText},
    {.name = "schema", .kinds = kTable},
});
constexpr auto kManagementFields = std::to_array<Field>({{.name = "edits", .kinds = kList}});

std::optional<RequestError> read_thinking(const Table& body, const ChatTraits& traits,
                                          engine::Reasoning& reasoning, bool& shown_to_client) {
  const Value* thinking = given(body, "thinking");
  if (!thinking) return std::nullopt;
  const std::span<const Field> lists[] = {kThinkingFields};
  if (auto error = check_fields(thinking->table(), lists, "thinking.")) return error;
  const std::string type = text_or(thinking->table(), "type", "");
  const std::string display = text_or(thinking->table(), "display", "summarized");
  if (display != "summarized" && display != "omitted")
    return wrong("thinking.display", "summarized or omitted", shown(Value(display)));
  shown_to_client = display != "omitted";
  const std::optional<int64_t> budget = whole(thinking->table(), "budget_tokens");
  if (type == "enabled") {
    if (!budget) return wrong("thinking.budget_tokens", "a whole number", "absent");
    if (!traits.thinks) return std::nullopt;
    if (traits.thinking_switch) reasoning.enabled = true;
    reasoning.budget = budget;
  } else if (type == "disabled") {
    if (traits.thinks) reasoning.enabled = false;
  } else if (type != "adaptive" && type != "between_tools") {
    return wrong("thinking.type", "enabled, disabled, adaptive or between_tools", shown(Value(type)));
  }
  return std::nullopt;
}

std::optional<RequestError> read_format(const Value& format, const std::string& where,
                                        engine::Request& request) {
  const std::span<const Field> lists[] = {kFormatFields};
  if (auto error = check_fields(format.table(), lists, where + ".")) return error;
  const std::string type = text_or(format.table(), "type", "");
  if (type != "json_schema") return wrong(where + ".type", "json_schema", shown(Value(type)));
  const Value* schema = given(format.table(), "schema");
  if (!schema) return wrong(where + ".schema", "a JSON schema", "absent");
  return set_grammar(request, {.kind = text::GrammarKind::json_schema, .text = json::dump(*schema)}, where);
}

std::optional<RequestError> read_output(const Table& body, const ChatTraits& traits,
                                        engine::Request& request) {
  if (const Value* format = given(body, "output_format"))
    if (auto error = read_format(*format, "output_format", request)) return error;
  const Value* config = given(body, "output_config");
  if (!config) return std::nullopt;
  const std::span<const Field> lists[] = {kOutputFields};
  if (auto error = check_fields(config->table(), lists, "output_config.")) return error;
  if (const Value* effort = given(config->table(), "effort")) {
    constexpr std::string_view kLevels[] = {"low", "medium", "high", "xhigh", "max"};
    if (std::find(std::begin(kLevels), std::end(kLevels), effort->text()) == std::end(kLevels))
      return wrong("output_config.effort", "low, medium, high, xhigh or max", shown(*effort));
    if (traits.effort) request.reasoning.effort = effort->text();
  }
  const Value* format = given(config->table(), "format");
  return format ? read_format(*format, "output_config.format", request) : std::nullopt;
}

std::optional<RequestError> check_management(const Table& body) {
  const Value* management = given(body, "context_management");
  if (!management) return std::nullopt;
  const std::span<const Field> lists[] = {kManagementFields};
  if (auto error = check_fields(management->table(), lists, "context_management.")) return error;
  const Value* edits = given(management->table(), "edits");
  if (!edits) return std::nullopt;
  for (const Value& edit : edits->array()) {
    const Value* type = edit.find("type");
    if (type && type->is_text() && type->text().starts_with("clear_thinking")) continue;
    return RequestError{fmt::format("context_management.edits: an edit of the type {} is not supported: the "
                                    "server cuts nothing out of a conversation.",
                                    type ? shown(*type) : "nothing"),
                        "context_management.edits"};
  }
  return std::nullopt;
}

struct Decoded {
  engine::Request request;
  bool thoughts_shown = true;
};

/// All but the streaming.
Result<Decoded> decode(const Table& body, FieldLists fields, const ServedModel& model) {
  if (auto error = check_fields(body, fields)) return *error;
  Decoded decoded;
  engine::Request& request = decoded.request;
  request.sampling = model.sampling;
  request.limits.max_tokens = model.max_tokens;
  request.form.read = true;
  if (auto error = apply_fields(body, fields, request)) return *error;
  if (auto error = read_thinking(body, model.chat, request.reasoning, decoded.thoughts_shown)) return *error;
  if (auto error = read_output(body, model.chat, request)) return *error;
  if (auto error = check_management(body)) return *error;
  Result<std::vector<Turn>> turns = anthropic_turns(given(body, "system"), given(body, "messages"));
  if (!turns) return turns.error();
  Result<Value> tools = anthropic_tools(body, request.form);
  if (!tools) return tools.error();
  request.prompt = chat_input(std::move(turns.value()), std::move(tools.value()), model.chat);
  return decoded;
}

}  // namespace

FieldLists anthropic_messages_fields() {
  static constexpr std::span<const Field> kLists[] = {kPromptFields, kAnswerFields};
  return kLists;
}

FieldLists anthropic_count_fields() {
  static constexpr std::span<const Field> kLists[] = {kPromptFields};
  return kLists;
}

Result<Call> anthropic_messages_decode(const Value& body, const Headers& /*headers*/,
                                       const ServedModel& model) {
  if (!body.is_table()) return no_object(body);
  Result<Decoded> decoded = decode(body.table(), anthropic_messages_fields(), model);
  if (!decoded) return decoded.error();
  Call call;
  call.stream = flag(body.table(), "stream").value_or(false);
  decoded.value().request.stream = call.stream;
  call.encoder = anthropic_encoder(
      {.model = model.name, .stream = call.stream, .thoughts_shown = decoded.value().thoughts_shown});
  call.requests.push_back(std::move(decoded.value().request));
  return call;
}

std::string anthropic_error_body(const Failure& failure) { return json::dump(anthropic_error(failure)); }

Result<engine::Request> anthropic_count_decode(const Value& body, const Headers& /*headers*/,
                                               const ServedModel& model) {
  if (!body.is_table()) return no_object(body);
  Result<Decoded> decoded = decode(body.table(), anthropic_count_fields(), model);
  if (!decoded) return decoded.error();
  return std::move(decoded.value().request);
}

std::string anthropic_count_body(size_t tokens) {
  Table body;
  body.set("input_tokens", Value(static_cast<uint64_t>(tokens)));
  return json::dump(Value(std::move(body)));
}

}  // namespace varve::http
