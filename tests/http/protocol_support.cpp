#include "protocol_support.h"

#include <gtest/gtest.h>

#include "core/json.h"

namespace varve::http {

namespace {

using namespace text::syntax;  // NOLINT: the pieces

template <class T>
Value or_null(const std::optional<T>& value) {
  return value ? Value(*value) : Value();
}

std::string_view name(text::GrammarKind kind) {
  switch (kind) {
    case text::GrammarKind::json_schema:
      return "json_schema";
    case text::GrammarKind::regex:
      return "regex";
    case text::GrammarKind::lark:
      return "lark";
    case text::GrammarKind::json_object:
      return "json_object";
  }
  return "";
}

Value described(const engine::Prompt& prompt) {
  Table out;
  if (const auto* ids = std::get_if<engine::IdsPrompt>(&prompt)) {
    Array list;
    for (const int32_t id : ids->ids) list.push_back(Value(static_cast<int64_t>(id)));
    out.set("ids", Value(std::move(list)));
  } else if (const auto* text = std::get_if<engine::TextPrompt>(&prompt)) {
    out.set("text", Value(text->text));
    out.set("add_special", Value(text->add_special));
    out.set("parse_special", Value(text->parse_special));
  } else {
    const auto& chat = std::get<text::ChatInput>(prompt);
    out.set("messages", Value(chat.messages));
    out.set("tools", chat.tools);
    out.set("extra", Value(chat.extra));
  }
  return Value(std::move(out));
}

void describe(const engine::Sampling& sampling, Table& out) {
  out.set("temperature", Value(sampling.temperature));
  out.set("top_k", Value(static_cast<int64_t>(sampling.top_k)));
  out.set("top_p", Value(sampling.top_p));
  out.set("min_p", Value(sampling.min_p));
  out.set("typical_p", Value(sampling.typical_p));
  out.set("repetition_penalty", Value(sampling.repetition_penalty));
  out.set("presence_penalty", Value(sampling.presence_penalty));
  out.set("frequency_penalty", Value(sampling.frequency_penalty));
  out.set("seed", or_null(sampling.seed));
  Table biases;
  for (const engine::LogitBias& bias : sampling.logit_bias)
    biases.set(std::to_string(bias.id), Value(static_cast<double>(bias.bias)));
  out.set("logit_bias", Value(std::move(biases)));
}

void describe(const engine::Limits& limits, Table& out) {
  out.set("max_tokens", or_null(limits.max_tokens));
  Array stops;
  for (const std::string& stop : limits.stop) stops.push_back(Value(stop));
  out.set("stop", Value(std::move(stops)));
  Array ids;
  for (const int32_t id : limits.stop_ids) ids.push_back(Value(static_cast<int64_t>(id)));
  out.set("stop_ids", Value(std::move(ids)));
  out.set("ignore_eos", Value(limits.ignore_eos));
}

void describe(const engine::AnswerForm& form, Table& out) {
  constexpr std::string_view kTools[] = {"none", "automatic", "required"};
  out.set("read", Value(form.read));
  out.set("tools", Value(kTools[static_cast<size_t>(form.tools)]));
  out.set("named_tool", Value(form.named_tool));
  out.set("parallel_tools", Value(form.parallel_tools));
  if (!form.grammar) return out.set("grammar", Value());
  Table grammar;
  grammar.set("kind", Value(name(form.grammar->kind)));
  grammar.set("text", Value(form.grammar->text));
  out.set("grammar", Value(std::move(grammar)));
}

}  // namespace

ServedModel bare_model() {
  ServedModel model{.name = "m", .context = 1000, .created = 1'700'000'000};
  model.sampling.temperature = 0.7;
  model.max_tokens = 50;
  return model;
}

Value parsed(std::string_view json) {
  Result<Value> value = json::parse(json);
  EXPECT_TRUE(value.ok()) << json;
  return value.ok() ? std::move(value.value()) : Value();
}

Value described(const engine::Request& request) {
  Table out;
  out.set("prompt", described(request.prompt));
  describe(request.sampling, out);
  describe(request.limits, out);
  describe(request.form, out);
  Table reasoning;
  reasoning.set("enabled", or_null(request.reasoning.enabled));
  reasoning.set("effort", Value(request.reasoning.effort));
  reasoning.set("budget", or_null(request.reasoning.budget));
  out.set("reasoning", Value(std::move(reasoning)));
  out.set("name_space", Value(request.cache.name_space));
  out.set("choices", Value(static_cast<int64_t>(request.choices)));
  out.set("stream", Value(request.stream));
  return Value(std::move(out));
}

bool contains(const Value& whole, const Value& part, std::string& where) {
  if (part.is_table()) {
    for (const auto& [name, value] : part.table()) {
      const Value* twin = whole.find(name);
      std::string below;
      if (twin && contains(*twin, value, below)) continue;
      where = "." + name + (twin ? below : " is absent");
      return false;
    }
    if (whole.is_table()) return true;
  } else if (part.is_array() && whole.is_array() && part.array().size() == whole.array().size()) {
    for (size_t i = 0; i < part.array().size(); ++i) {
      std::string below;
      if (contains(whole.array()[i], part.array()[i], below)) continue;
      where = "[" + std::to_string(i) + "]" + below;
      return false;
    }
    return true;
  } else if (whole == part) {
    return true;
  }
  where = " is " + json::dump(whole) + " and not " + json::dump(part);
  return false;
}

std::vector<Frame> frames(std::string_view stream) {
  std::vector<Frame> out;
  while (!stream.empty()) {
    const size_t end = stream.find("\n\n");
    EXPECT_NE(end, std::string_view::npos) << "a frame without an end: " << stream;
    if (end == std::string_view::npos) break;
    std::string_view frame = stream.substr(0, end);
    stream.remove_prefix(end + 2);
    if (frame.starts_with(":")) continue;
    Frame one;
    if (frame.starts_with("event: ")) {
      const size_t line = frame.find('\n');
      one.event = frame.substr(7, line - 7);
      frame.remove_prefix(line + 1);
    }
    EXPECT_TRUE(frame.starts_with("data: ")) << frame;
    EXPECT_EQ(frame.find('\n'), std::string_view::npos) << frame;
    one.data = frame.substr(6);
    out.push_back(std::move(one));
  }
  return out;
}

Events& Events::start(engine::Usage usage) {
  events_.push_back(engine::StartEvent{.usage = usage, .choice = choice_});
  return *this;
}

Events& Events::piece(engine::Piece piece) {
  events_.push_back(engine::AnswerEvent{.pieces = {std::move(piece)}, .tokens = {}, .choice = choice_});
  return *this;
}

Events& Events::text(std::string text) { return piece(TextPiece{std::move(text)}); }
Events& Events::thought(std::string text) { return piece(ReasoningPiece{std::move(text)}); }

Events& Events::call(std::string name, std::vector<std::string> arguments, bool complete, std::string id) {
  piece(ToolStartPiece{.index = index_, .name = std::move(name), .id = std::move(id)});
  for (std::string& more : arguments)
    piece(ToolArgumentsPiece{.index = index_, .json_delta = std::move(more)});
  return piece(ToolEndPiece{.index = index_++, .complete = complete});
}

Events& Events::token(int32_t id, float logprob, std::string text) {
  engine::AnswerEvent event{
      .pieces = {}, .tokens = {{.id = id, .logprob = logprob, .top = {}}}, .choice = choice_};
  event.tokens[0].top.push_back({.id = id, .logprob = logprob});
  if (!text.empty()) event.pieces.push_back(TextPiece{std::move(text)});
  events_.push_back(std::move(event));
  return *this;
}

Events& Events::finish(engine::FinishEvent finish) {
  finish.choice = choice_;
  events_.push_back(std::move(finish));
  return *this;
}

Events& Events::fail(std::string message, std::string field) {
  events_.push_back(engine::ErrorEvent{
      .error = {.message = std::move(message), .field = std::move(field)}, .usage = {}, .choice = choice_});
  return *this;
}

std::string encoded(Encoder& encoder, const std::vector<engine::Event>& events) {
  std::string out;
  for (const engine::Event& event : events) encoder.event(event, out);
  return out;
}

}  // namespace varve::http
