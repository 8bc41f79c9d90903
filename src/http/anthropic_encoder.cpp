#include "http/anthropic_encoder.h"

#include <fmt/format.h>

#include <utility>

#include "core/json.h"
#include "http/anthropic_conversation.h"
#include "http/collected.h"
#include "http/stream_frames.h"

namespace varve::http {

namespace {

using namespace text::syntax;  // NOLINT: the pieces

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Value usage_of(const engine::Usage& usage) {
  Table creation;
  creation.set("ephemeral_5m_input_tokens", Value(usage.remembered_tokens));
  creation.set("ephemeral_1h_input_tokens", Value(0));
  Table details;
  details.set("thinking_tokens", Value(usage.reasoning_tokens));
  Table out;
  out.set("input_tokens",
          Value(std::max<int64_t>(usage.prompt_tokens - usage.cached_tokens - usage.remembered_tokens, 0)));
  out.set("cache_creation_input_tokens", Value(usage.remembered_tokens));
  out.set("cache_read_input_tokens", Value(usage.cached_tokens));
  out.set("cache_creation", Value(std::move(creation)));
  out.set("output_tokens", Value(usage.completion_tokens));
  out.set("output_tokens_details", Value(std::move(details)));
  out.set("service_tier", Value("standard"));
  return Value(std::move(out));
}

Table typed(std::string_view type) {
  Table out;
  out.set("type", Value(type));
  return out;
}

Table text_block(std::string text) {
  Table block = typed("text");
  block.set("text", Value(std::move(text)));
  return block;
}

Table thinking_block(std::string thought, std::string signature) {
  Table block = typed("thinking");
  block.set("thinking", Value(std::move(thought)));
  block.set("signature", Value(std::move(signature)));
  return block;
}

Table call_block(const std::string& id, const std::string& name, Value input) {
  Table block = typed("tool_use");
  block.set("id", Value(id));
  block.set("name", Value(name));
  block.set("input", std::move(input));
  return block;
}

/// How an answer ended.
struct Stop {
  std::string_view reason = "end_turn";
  std::string sequence;  // "" : null
};

Stop stop_of(const engine::FinishEvent& finish, const CallTally& calls) {
  if (finish.reason == engine::FinishReason::length)
    return {finish.context_full ? "model_context_window_exceeded" : "max_tokens", {}};
  if (calls.to_run(finish.reason)) return {"tool_use", {}};
  if (!finish.stop.empty()) return {"stop_sequence", finish.stop};
  return {};
}

class MessageEncoder final : public Encoder {
 public:
  explicit MessageEncoder(MessageForm form) : form_(std::move(form)), id_(random_id("msg_")) {}

  void event(const engine::Event& event, std::string& out) override {
    if (ended_) return;
    std::visit([&](const auto& one) { on(one, out); }, event);
  }

  void broken(const Failure& failure, std::string& out) override {
    if (ended_) return;
    begin(out);
    ended_ = true;
    status_ = failure.status;
    if (form_.stream)
      append_frame(out, "error", anthropic_error(failure));
    else
      out += json::dump(anthropic_error(failure));
  }

  std::string_view ping() const override { return "event: ping\ndata: {\"type\":\"ping\"}\n\n"; }
  int status() const override { return status_; }

 private:
  enum class Block : uint8_t { none, text, thinking, call };

  void on(const engine::StartEvent& start, std::string& out) {
    usage_ = start.usage;
    begin(out);
  }

  void on(const engine::AnswerEvent& answer, std::string& out) {
    begin(out);
    for (const Piece& piece : answer.pieces) {
      calls_.add(piece);
      const auto* start = std::get_if<ToolStartPiece>(&piece);
      const std::string id = start ? ids_.take(start->id) : "";
      if (form_.stream)
        send(piece, id, out);
      else
        collected_.add(piece, id);
    }
  }

  void on(const engine::FinishEvent& finish, std::string& out) {
    if (finish.reason == engine::FinishReason::cancelled)
      return broken({.status = 503, .message = "The answer was cancelled before it was complete."}, out);
    usage_ = finish.usage;
    begin(out);
    ended_ = true;
    const Stop stop = stop_of(finish, calls_);
    if (!form_.stream) {
      Table message = head(content(), stop);
      out += json::dump(Value(std::move(message)));
      return;
    }
    close(out);
    Table delta;
    delta.set("stop_reason", Value(stop.reason));
    delta.set("stop_sequence", stop.sequence.empty() ? Value() : Value(stop.sequence));
    Table data = typed("message_delta");
    data.set("delta", Value(std::move(delta)));
    data.set("usage", usage_of(usage_));
    append_frame(out, "message_delta", Value(std::move(data)));
    append_frame(out, "message_stop", Value(typed("message_stop")));
  }

  void on(const engine::ErrorEvent& error, std::string& out) {
    broken({.status = error.error.field.empty() ? 500 : 400,
            .message = error.error.message,
            .field = error.error.field},
           out);
  }

  Table head(Array content, const std::optional<Stop>& stop) const {
    Table message;
    message.set("id", Value(id_));
    message.set("type", Value("message"));
    message.set("role", Value("assistant"));
    message.set("model", Value(form_.model));
    message.set("content", Value(std::move(content)));
    message.set("stop_reason", stop ? Value(stop->reason) : Value());
    message.set("stop_sequence", stop && !stop->sequence.empty() ? Value(stop->sequence) : Value());
    message.set("usage", usage_of(usage_));
    return message;
  }

  void begin(std::string& out) {
    if (std::exchange(begun_, true) || !form_.stream) return;
    Table data = typed("message_start");
    data.set("message", Value(head({}, std::nullopt)));
    append_frame(out, "message_start", Value(std::move(data)));
  }

  void open(Block kind, Table block, std::string& out) {
    close(out);
    block_ = kind;
    Table data = typed("content_block_start");
    data.set("index", Value(index_));
    data.set("content_block", Value(std::move(block)));
    append_frame(out, "content_block_start", Value(std::move(data)));
  }

  void close(std::string& out) {
    if (block_ == Block::none) return;
    if (block_ == Block::thinking)
      delta("signature_delta", "signature", thought_signature(std::exchange(hidden_, {})), out);
    block_ = Block::none;
    Table data = typed("content_block_stop");
    data.set("index", Value(index_++));
    append_frame(out, "content_block_stop", Value(std::move(data)));
  }

  void delta(std::string_view type, std::string_view member, std::string_view text, std::string& out) {
    Table delta = typed(type);
    delta.set(member, Value(text));
    Table data = typed("content_block_delta");
    data.set("index", Value(index_));
    data.set("delta", Value(std::move(delta)));
    append_frame(out, "content_block_delta", Value(std::move(data)));
  }

  void send(const Piece& piece, const std::string& id, std::string& out) {
    if (const auto* text = std::get_if<TextPiece>(&piece)) {
      if (text->text.empty()) return;
      if (block_ != Block::text) open(Block::text, text_block(""), out);
      delta("text_delta", "text", text->text, out);
    } else if (const auto* thought = std::get_if<ReasoningPiece>(&piece)) {
      if (thought->text.empty()) return;
      if (block_ != Block::thinking) open(Block::thinking, thinking_block("", ""), out);
      if (form_.thoughts_shown)
        delta("thinking_delta", "thinking", thought->text, out);
      else
        hidden_ += thought->text;
    } else if (const auto* start = std::get_if<ToolStartPiece>(&piece)) {
      open(Block::call, call_block(id, start->name, Value(Table{})), out);
    } else if (block_ == Block::call) {
      const auto* more = std::get_if<ToolArgumentsPiece>(&piece);
      if (more && !more->json_delta.empty()) delta("input_json_delta", "partial_json", more->json_delta, out);
      if (std::holds_alternative<ToolEndPiece>(piece)) close(out);
    }
  }

  Array content() {
    Array out;
    for (CollectedPart& part : collected_.parts()) {
      if (auto* text = std::get_if<CollectedText>(&part)) {
        out.push_back(Value(text_block(std::move(text->text))));
      } else if (auto* thought = std::get_if<CollectedReasoning>(&part)) {
        std::string hidden;
        if (!form_.thoughts_shown) hidden = std::exchange(thought->text, {});
        out.push_back(Value(thinking_block(std::move(thought->text), thought_signature(hidden))));
      } else if (auto* call = std::get_if<CollectedCall>(&part)) {
        Result<Value> input = json::parse(call->arguments);
        if (call->complete && input.ok() && input.value().is_table())
          out.push_back(Value(call_block(call->id, call->name, std::move(input.value()))));
        else
          out.push_back(Value(text_block(fmt::format(R"({{"name": {}, "arguments": {})",
                                                     json::dump(Value(call->name)), call->arguments))));
      }
    }
    return out;
  }

  MessageForm form_;
  std::string id_;
  engine::Usage usage_;
  CallIds ids_{"toolu_"};
  CallTally calls_;
  Collected collected_;  // without a stream
  std::string hidden_;   // the thought that is not shown
  Block block_ = Block::none;
  int64_t index_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  int status_ = 200;
};

}  // namespace

Value anthropic_error(const Failure& failure) {
  Table error = typed(error_type(failure.status));
  error.set("message", Value(failure.message));
  Table body = typed("error");
  body.set("error", Value(std::move(error)));
  body.set("request_id", Value());
  return Value(std::move(body));
}

std::unique_ptr<Encoder> anthropic_encoder(MessageForm form) {
  return std::make_unique<MessageEncoder>(std::move(form));
}

}  // namespace varve::http
