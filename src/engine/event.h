#pragma once
// What the engine answers, whatever protocol or command it goes to. A request gives any number of
// TextEvents and then exactly one FinishEvent or ErrorEvent.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"
#include "engine/request.h"
#include "engine/sampler.h"

namespace varve::engine {

/// Streaming: one per token as soon as it is chosen. `text` lags behind while a character is incomplete
/// or a stop string possible, so either may be empty.
struct TextEvent {
  std::string text;
  std::vector<SampledToken> tokens;  // stop token included
};

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

/// Token counts, as they were: prompt = cached + computed.
struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;      // of the prompt: state was there already
  int64_t completion_tokens = 0;  // stop token included
};

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
  uint64_t seed = 0;  // given or drawn: the same request with it gives the same answer
  KeepId kept = 0;    // when the request asked to keep
};

/// The answer could not be finished.
struct ErrorEvent {
  RequestError error;
  Usage usage;
};

using Event = std::variant<TextEvent, FinishEvent, ErrorEvent>;

/// Called on the engine's thread, between steps. May submit and cancel; must not block nor throw.
using Sink = std::function<void(Event)>;

}  // namespace varve::engine
