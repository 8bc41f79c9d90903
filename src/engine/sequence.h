#pragma once
// One running answer. `tokens` are the prompt and what was sampled; the first `computed()` of them have
// their state in the pages. What is left is the next step's rows, whether one or thousands: there is no
// phase to keep.
#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/answer_text.h"
#include "engine/event.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "state/pages.h"
#include "state/slot_pool.h"

namespace varve::engine {

using Clock = std::chrono::steady_clock;

struct Sequence {
  explicit Sequence(state::PagePool& pool) : pages(pool) {}

  RequestId id = 0;
  Sampling sampling;
  Limits limits;
  bool stream = true;
  bool keep = false;
  KeepId resume = 0;
  int32_t choice = 0;
  bool announced = false;  // its StartEvent is out
  Sink sink;

  std::vector<int32_t> tokens;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t limit = 0;            // tokens at most; the last one is never computed
  bool context_limits = false;  // `limit` is the context's, not the request's
  int64_t position_class = 0;   // nn::Model::position_class(limit)
  uint64_t seed = 0;

  state::Pages pages;
  state::Slot slot;

  TokenHistory history;
  AnswerText text;
  AnswerEvent unsent;  // gathered for a request that does not stream
  bool cancelled = false;

  Clock::time_point submitted, started, first_token, last_token;

  int64_t length() const { return static_cast<int64_t>(tokens.size()); }
  int64_t computed() const { return pages.length(); }
  int64_t pending() const { return length() - computed(); }
  int64_t sampled() const { return length() - prompt_tokens; }
  /// Gives back pages and slot.
  void release() {
    pages.clear();
    slot = {};
  }
};

}  // namespace varve::engine
