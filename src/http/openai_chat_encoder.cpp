#include "http/openai_chat_encoder.h"

#include <utility>

#include "http/collected.h"

namespace varve::http {

namespace {

using namespace text::syntax;  // NOLINT: the pieces

Value byte_list(std::string_view bytes) {
  Array out;
  for (const char byte : bytes) out.push_back(Value(static_cast<int64_t>(static_cast<unsigned char>(byte))));
  return Value(std::move(out));
}

Table token_logprob(int32_t id, float logprob, const text::Tokenizer& tokenizer) {
  const std::string bytes = tokenizer.bytes(id);
  Table out;
  // A control token has no bytes of text: it shows as it is spelled.
  out.set("token", Value(bytes.empty() ? tokenizer.piece(id) : bytes));
  out.set("logprob", Value(static_cast<double>(logprob)));
  out.set("bytes", bytes.empty() ? Value() : byte_list(bytes));
  return out;
}

Value logprobs_of(const std::vector<engine::SampledToken>& tokens, const text::Tokenizer& tokenizer) {
  Array content;
  for (const engine::SampledToken& token : tokens) {
    Table entry = token_logprob(token.id, token.logprob, tokenizer);
    Array top;
    for (const engine::TokenLogprob& other : token.top)
      top.push_back(Value(token_logprob(other.id, other.logprob, tokenizer)));
    entry.set("top_logprobs", Value(std::move(top)));
    content.push_back(Value(std::move(entry)));
  }
  Table out;
  out.set("content", Value(std::move(content)));
  out.set("refusal", Value());
  return Value(std::move(out));
}

Value call_object(const std::string& id, const std::string& name, const std::string& arguments) {
  Table function;
  function.set("name", Value(name));
  function.set("arguments", Value(arguments));
  Table call;
  call.set("id", Value(id));
  call.set("type", Value("function"));
  call.set("function", Value(std::move(function)));
  return Value(std::move(call));
}

class ChatEncoder final : public OpenaiEncoder {
 public:
  ChatEncoder(OpenaiForm form, bool show_reasoning)
      : OpenaiEncoder(
            std::move(form),
            {.id_prefix = "chatcmpl-", .object = "chat.completion", .chunk_object = "chat.completion.chunk"}),
        show_reasoning_(show_reasoning),
        choices_(choices()) {}

 private:
  struct Choice {
    CallIds ids{"call_"};
    CallTally calls;
    int64_t call = -1;  // the number of the latest
    PendingTokens pending;
    // Without a stream:
    Collected collected;
    std::vector<engine::SampledToken> tokens;
    std::string finish_reason;
  };

  void begin(size_t number, std::string& out) override {
    Table delta;
    delta.set("role", Value("assistant"));
    delta.set("content", Value(""));
    if (form().stream) send_delta(number, std::move(delta), {}, {}, out);
  }

  void add(size_t number, const engine::AnswerEvent& answer, std::string& out) override {
    Choice& choice = choices_[number];
    if (form().logprobs) choice.pending.add(answer.tokens);
    for (const Piece& piece : answer.pieces) {
      choice.calls.add(piece);
      if (std::holds_alternative<ReasoningPiece>(piece) && !show_reasoning_) continue;
      const auto* start = std::get_if<ToolStartPiece>(&piece);
      const std::string id = start ? choice.ids.take(start->id) : "";
      if (start) ++choice.call;
      if (!form().stream) {
        choice.collected.add(piece, id);
        continue;
      }
      Table delta = delta_of(choice, piece, id);
      if (delta.empty()) continue;
      std::vector<engine::SampledToken> tokens;
      if (form().logprobs) tokens = choice.pending.take(*form().tokenizer);
      send_delta(number, std::move(delta), tokens, {}, out);
    }
  }

  void finish(size_t number, const engine::FinishEvent& finish, std::string& out) override {
    Choice& choice = choices_[number];
    const bool cut = finish.reason == engine::FinishReason::length;
    choice.finish_reason = choice.calls.to_run(finish.reason) ? "tool_calls" : cut ? "length" : "stop";
    std::vector<engine::SampledToken> rest = choice.pending.finish(finish.stop_id);
    if (form().stream)
      send_delta(number, Table{}, rest, choice.finish_reason, out);
    else
      choice.tokens = std::move(rest);
  }

  /// Empty for a piece that says nothing.
  static Table delta_of(const Choice& choice, const Piece& piece, const std::string& id) {
    Table delta;
    if (const auto* text = std::get_if<TextPiece>(&piece)) {
      if (!text->text.empty()) delta.set("content", Value(text->text));
    } else if (const auto* thought = std::get_if<ReasoningPiece>(&piece)) {
      if (!thought->text.empty()) delta.set("reasoning_content", Value(thought->text));
    } else if (const auto* start = std::get_if<ToolStartPiece>(&piece)) {
      Value call = call_object(id, start->name, "");
      delta.set("tool_calls", numbered(choice, call.table()));
    } else if (const auto* more = std::get_if<ToolArgumentsPiece>(&piece)) {
      if (more->json_delta.empty()) return delta;
      Table function;
      function.set("arguments", Value(more->json_delta));
      Table call;
      call.set("function", Value(std::move(function)));
      delta.set("tool_calls", numbered(choice, std::move(call)));
    }
    return delta;
  }

  /// A list of the one call, with its number first.
  static Value numbered(const Choice& choice, Table call) {
    Table out;
    out.set("index", Value(choice.call));
    for (auto& [name, value] : call) out.set(name, std::move(value));
    return Value(Array{Value(std::move(out))});
  }

  void send_delta(size_t number, Table delta, const std::vector<engine::SampledToken>& tokens,
                  std::string_view finish_reason, std::string& out) const {
    Table members;
    members.set("delta", Value(std::move(delta)));
    members.set("logprobs", tokens.empty() ? Value() : logprobs_of(tokens, *form().tokenizer));
    members.set("finish_reason", finish_reason.empty() ? Value() : Value(finish_reason));
    send(number, std::move(members), out);
  }

  static Value message_of(const Choice& choice) {
    std::string content;
    std::string reasoning;
    Array calls;
    for (const CollectedPart& part : choice.collected.parts()) {
      if (const auto* text = std::get_if<CollectedText>(&part)) content += text->text;
      if (const auto* thought = std::get_if<CollectedReasoning>(&part)) reasoning += thought->text;
      if (const auto* call = std::get_if<CollectedCall>(&part))
        calls.push_back(call_object(call->id, call->name, call->arguments));
    }
    Table message;
    message.set("role", Value("assistant"));
    message.set("content", content.empty() && !calls.empty() ? Value() : Value(std::move(content)));
    message.set("refusal", Value());
    if (!reasoning.empty()) message.set("reasoning_content", Value(std::move(reasoning)));
    if (!calls.empty()) message.set("tool_calls", Value(std::move(calls)));
    return Value(std::move(message));
  }

  Value choice_value(size_t number) override {
    const Choice& choice = choices_[number];
    Table out;
    out.set("message", message_of(choice));
    out.set("logprobs", form().logprobs ? logprobs_of(choice.tokens, *form().tokenizer) : Value());
    out.set("finish_reason", Value(choice.finish_reason));
    return Value(std::move(out));
  }

  bool show_reasoning_;
  std::vector<Choice> choices_;
};

}  // namespace

std::unique_ptr<Encoder> openai_chat_encoder(OpenaiForm form, bool show_reasoning) {
  return std::make_unique<ChatEncoder>(std::move(form), show_reasoning);
}

}  // namespace varve::http
