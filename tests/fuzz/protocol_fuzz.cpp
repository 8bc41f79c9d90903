// Any JSON is either a request of a protocol that is within the engine's limits, or refused with a reason;
// and whatever was asked, an answer ends. The first byte chooses the protocol and how the answer ends.
#include "core/error.h"
#include "core/json.h"
#include "http/anthropic_messages.h"
#include "http/openai_chat.h"
#include "http/openai_completions.h"

namespace {

using namespace varve;  // NOLINT: a program of one page

class NoHeaders final : public http::Headers {
 public:
  std::string_view get(std::string_view /*name*/) const override { return {}; }
};

void check_request(const engine::Request& request) {
  check(request.choices >= 1 && request.choices <= engine::kMaxChoices, "a number of choices");
  for (const auto& range : engine::kSamplingRanges)
    if (range.field == "temperature") check(range.holds(request.sampling.temperature), "a temperature");
  check(request.limits.stop.size() <= engine::kMaxStops, "too many stop strings");
  check(request.sampling.logit_bias.size() <= engine::kMaxLogitBias, "too many biases");
  const auto* chat = std::get_if<text::ChatInput>(&request.prompt);
  check(!chat || !chat->messages.empty(), "a conversation of nothing");
}

void answer(http::Call& call, int kind) {
  int32_t choices = 0;
  for (const engine::Request& request : call.requests) choices += request.choices;
  std::string out;
  for (int32_t i = 0; i < choices; ++i) {
    call.encoder->event(engine::StartEvent{.usage = {}, .choice = i}, out);
    call.encoder->event(
        engine::AnswerEvent{.pieces = {text::syntax::TextPiece{"a"}}, .tokens = {}, .choice = i}, out);
    if (kind % 3 == 0) call.encoder->event(engine::FinishEvent{.choice = i}, out);
    if (kind % 3 == 1)
      call.encoder->event(engine::ErrorEvent{.error = {"x", ""}, .usage = {}, .choice = i}, out);
  }
  if (kind % 3 == 2) call.encoder->broken({.status = 503, .message = "x"}, out);
  if (!call.stream) check(json::parse(out).ok(), "an answer that is no JSON");
  check(!out.empty(), "an answer without an end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Result<Value> body = json::parse(text);
  if (!body) return 0;
  http::ServedModel model{.name = "m", .context = 1000};
  model.chat.late_system = data[0] & 16;
  model.chat.system = data[0] & 32;
  model.chat.object_arguments = data[0] & 64;
  const NoHeaders headers;
  if (data[0] % 4 == 3) {
    const auto counted = http::anthropic_count_decode(body.value(), headers, model);
    if (counted.ok()) check_request(counted.value());
    return 0;
  }
  const auto decode = data[0] % 4 == 0   ? http::openai_chat_decode
                      : data[0] % 4 == 1 ? http::openai_completions_decode
                                         : http::anthropic_messages_decode;
  Result<http::Call> call = decode(body.value(), headers, model);
  if (!call) {
    check(!call.error().message.empty(), "refused without a reason");
    return 0;
  }
  for (const engine::Request& request : call.value().requests) check_request(request);
  answer(call.value(), data[0] / 4);
  return 0;
}
