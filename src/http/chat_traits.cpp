#include "http/chat_traits.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "text/syntax/reasoning.h"

namespace varve::http {

namespace {

constexpr std::string_view kAsked = "needle-question";
constexpr std::string_view kTold = "needle-system";
constexpr std::string_view kThought = "needle-thought";
constexpr std::string_view kLongId = "call_0123456789abcdefABCDEFGH";
constexpr std::string_view kShortId = "abcDEF123";
constexpr text::RenderClock kClock{.epoch_seconds = 1'700'000'000, .utc_offset_seconds = 0};

Value message(std::string_view role, std::string_view content) {
  Table table;
  table.set("role", Value(role));
  table.set("content", Value(content));
  return Value(std::move(table));
}

struct Round {
  bool object_arguments = true;
  bool short_id = false;
  std::string_view reasoning_member = {};
  std::string_view content = {};
};

Value tools() {
  Table city;
  city.set("type", Value("string"));
  city.set("description", Value("A city"));
  Table properties;
  properties.set("needle-key", Value(std::move(city)));
  Table parameters;
  parameters.set("type", Value("object"));
  parameters.set("properties", Value(std::move(properties)));
  parameters.set("required", Value(Array{}));
  Table function;
  function.set("name", Value("weather"));
  function.set("description", Value("The weather in a city"));
  function.set("parameters", Value(std::move(parameters)));
  Table tool;
  tool.set("type", Value("function"));
  tool.set("function", Value(std::move(function)));
  return Value(Array{Value(std::move(tool))});
}

/// A question, a call and its result.
Array tool_round(const Round& round) {
  Table arguments;
  arguments.set("needle-key", Value("needle-value"));
  Table function;
  function.set("name", Value("weather"));
  function.set("arguments", round.object_arguments ? Value(std::move(arguments))
                                                   : Value(R"({"needle-key": "needle-value"})"));
  const Value id(round.short_id ? kShortId : kLongId);
  Table call;
  call.set("id", id);
  call.set("type", Value("function"));
  call.set("function", Value(std::move(function)));
  Value answer = message("assistant", round.content);
  answer.table().set("tool_calls", Value(Array{Value(std::move(call))}));
  if (!round.reasoning_member.empty()) answer.table().set(round.reasoning_member, Value(kThought));
  Value result = message("tool", "needle-result");
  result.table().set("tool_call_id", id);
  result.table().set("name", Value("weather"));
  return {message("user", kAsked), std::move(answer), std::move(result)};
}

class Probe {
 public:
  explicit Probe(const text::ChatTemplates& templates) : templates_(templates) {}

  std::optional<std::string> render(Array messages, Value offered = {}, Table extra = {}) const {
    text::ChatInput input;
    input.messages = std::move(messages);
    input.tools = std::move(offered);
    input.extra = std::move(extra);
    Result<std::string> text = templates_.render(input, kClock);
    if (!text) return std::nullopt;
    return std::move(text.value());
  }
  /// A question, with all of these variables set.
  std::optional<std::string> question_with(std::initializer_list<std::string_view> variables,
                                           const Value& value) const {
    Table extra;
    for (const std::string_view variable : variables) extra.set(variable, value);
    return render({message("user", kAsked)}, {}, std::move(extra));
  }

 private:
  const text::ChatTemplates& templates_;
};

/// The places where two texts stand, or nothing where one is missing.
bool in_order(const std::optional<std::string>& text, std::string_view first, std::string_view second) {
  if (!text) return false;
  const size_t a = text->find(first);
  const size_t b = text->find(second);
  return a != std::string::npos && b != std::string::npos && a < b;
}

void probe_system(const Probe& probe, ChatTraits& traits) {
  traits.system = in_order(probe.render({message("system", kTold), message("user", kAsked)}), kTold, kAsked);
  const auto late = probe.render({message("system", "a"), message("user", kAsked), message("assistant", "b"),
                                  message("user", "needle-again"), message("system", kTold),
                                  message("assistant", "c"), message("user", "needle-last")});
  traits.late_system = in_order(late, "needle-again", kTold) && in_order(late, kTold, "needle-last");
}

/// The arguments are in the text, and not as a text within a text. Templates that write no JSON show the
/// name and the value.
bool shows_arguments(const std::optional<std::string>& text) {
  if (!text || text->find("needle-result") == std::string::npos) return false;
  if (text->find(R"(\"needle-key\")") != std::string::npos) return false;
  if (text->find("'needle-key'") != std::string::npos) return false;  // Python's way of writing
  return in_order(text->substr(text->find(kAsked) == std::string::npos ? 0 : text->find(kAsked)),
                  "needle-key", "needle-value");
}

void probe_calls(const Probe& probe, ChatTraits& traits) {
  for (const bool short_id : {false, true})
    for (const bool object : {true, false}) {
      const Round round{.object_arguments = object, .short_id = short_id};
      if (!shows_arguments(probe.render(tool_round(round), tools()))) continue;
      traits.object_arguments = object;
      traits.short_call_ids = short_id;
      return;
    }
}

void probe_reasoning(const Probe& probe, ChatTraits& traits) {
  for (const std::string_view member : {"reasoning_content", "thinking", "reasoning"}) {
    Round round{.object_arguments = traits.object_arguments,
                .short_id = traits.short_call_ids,
                .reasoning_member = member};
    const auto text = probe.render(tool_round(round), tools());
    if (!text || text->find(kThought) == std::string::npos) continue;
    traits.reasoning_member = member;
    traits.thinks = true;
    round.content = "needle-content";
    traits.content_or_reasoning = !probe.render(tool_round(round), tools());
    break;
  }
  const auto low = probe.question_with({"reasoning_effort"}, Value("low"));
  traits.effort = low && low != probe.question_with({"reasoning_effort"}, Value("high"));
  const auto on = probe.question_with({"enable_thinking", "thinking"}, Value(true));
  const auto off = probe.question_with({"enable_thinking", "thinking"}, Value(false));
  traits.thinking_switch = on && off && on != off;
  const auto& syntaxes = text::syntax::reasoning_syntaxes();
  const bool opens =
      on && std::any_of(syntaxes.begin(), syntaxes.end(), [&](const text::syntax::ReasoningSyntax& syntax) {
        return !syntax.open.empty() && text::syntax::opens_thought(syntax, *on);
      });
  traits.thinks = traits.thinks || traits.effort || traits.thinking_switch || opens;
}

}  // namespace

ChatTraits chat_traits(const text::ChatTemplates& templates) {
  ChatTraits traits;
  if (templates.empty()) return traits;
  const Probe probe(templates);
  probe_system(probe, traits);
  probe_calls(probe, traits);
  probe_reasoning(probe, traits);
  return traits;
}

}  // namespace varve::http
