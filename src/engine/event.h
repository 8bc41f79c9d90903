#pragma once
// What the engine answers, whatever protocol or command it goes to. Each choice of a request (there are
// Request::choices of them) gives one StartEvent, any number of AnswerEvents, and then exactly one
// FinishEvent or ErrorEvent; one that is cancelled while it waits gives the FinishEvent alone.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "text/syntax/piece.h"

namespace varve::engine {

using text::syntax::Piece;

/// Token counts, as they were: prompt = cached + computed.
struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;      // of the prompt: state was there already
  int64_t remembered_tokens = 0;  // of the prompt: computed by this request and left for later ones
  int64_t completion_tokens = 0;  // stop token included
  int64_t reasoning_tokens = 0;   // of the completion
};

/// The request has left the queue: its prompt is about to be computed. Counts of the prompt are final.
struct StartEvent {
  Usage usage;
  int32_t choice = 0;
};

/// Streaming: one per token as soon as it is chosen. `pieces` lag behind while a character is incomplete, a
/// stop string or a marker possible, so either may be empty. Without Request::AnswerForm::read all pieces are
/// text.
struct AnswerEvent {
  std::vector<Piece> pieces;
  std::vector<SampledToken> tokens;  // stop token included
  int32_t choice = 0;
};

/// What an event says: its text pieces in a row.
std::string said(const AnswerEvent& event);

enum class FinishReason : uint8_t { stop, length, cancelled };

constexpr std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "";
}

/// Seconds.
struct Timings {
  double queued = 0;  // from submit to the first step
  double prompt = 0;  // from there to the first token
  double decode = 0;  // from the first token to the last
};

struct FinishEvent {
  FinishReason reason = FinishReason::stop;
  std::string stop;      // the stop string that ended it, or ""
  int32_t stop_id = -1;  // the stop token that ended it, or -1
  Usage usage;
  Timings timings;
  uint64_t seed = 0;          // given or drawn: the same request with it gives the same answer
  bool context_full = false;  // reason length: the context ended the answer, not max_tokens
  int32_t choice = 0;
};

/// The answer could not be finished.
struct ErrorEvent {
  RequestError error;
  Usage usage;
  int32_t choice = 0;
};

using Event = std::variant<StartEvent, AnswerEvent, FinishEvent, ErrorEvent>;

/// Called on the engine's thread, between steps. May submit and cancel; must not block nor throw.
using Sink = std::function<void(Event)>;

}  // namespace varve::engine
