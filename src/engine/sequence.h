#pragma once
// One running answer. `tokens` are the prompt and what was sampled; the first `computed()` of them have
// their state in the pages. What is left is the next step's rows, whether one or thousands: there is no
// phase to keep.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/answer_guide.h"
#include "engine/answer_text.h"
#include "engine/event.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "state/pages.h"
#include "state/slot_pool.h"

namespace varve::engine {

using Clock = std::chrono::steady_clock;

inline double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

struct Sequence {
  explicit Sequence(state::PagePool& pool) : pages(pool) {}

  RequestId id = 0;       // its own
  RequestId request = 0;  // the same for all choices of one
  Sampling sampling;
  Limits limits;
  bool stream = true;
  int32_t choice = 0;
  bool announced = false;  // its StartEvent is out
  Sink sink;

  std::vector<int32_t> tokens;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t remembered_tokens = 0;
  int64_t limit = 0;            // tokens at most; the last one is never computed
  bool context_limits = false;  // `limit` is the context's, not the request's
  int64_t position_class = 0;   // nn::Model::position_class(limit)
  uint64_t seed = 0;

  /// What it may share with others (prefix_cache.h).
  struct Prefix {
    std::string root;
    bool remember = true;
    bool comes_back = false;  // the answer is a message: a later prompt may hold its text (seen_answers.h)
    std::string name_space;
    std::vector<int64_t> marks;  // where snapshots are worth it, ascending (prefix_marks.h)
    int64_t left = 0;            // tokens that are known to the cache
    RequestId leader = 0;        // it waits while this one computes
    int64_t until = 0;           // the tokens before here
  } prefix;

  state::Pages pages;
  state::Slot slot;

  TokenHistory history;
  std::unique_ptr<const text::syntax::ToolSet> tools;
  AnswerText text;
  AnswerGuide guide;
  int64_t reasoning_tokens = 0;
  AnswerEvent unsent;  // gathered for a request that does not stream
  bool cancelled = false;

  /// The first of several choices has the others here while it waits.
  std::vector<std::unique_ptr<Sequence>> others;
  /// Of a choice that runs: the first one, which computes the prompt for it. Null from then on.
  const Sequence* first = nullptr;

  Clock::time_point submitted, started, first_token, last_token;

  int64_t length() const { return static_cast<int64_t>(tokens.size()); }
  int64_t computed() const { return pages.length(); }
  int64_t pending() const { return length() - computed(); }
  /// Pages that a further choice will need of its own when the prompt is there.
  int64_t pages_beyond_prompt() const {
    return state::pages_for(limit - 1) - prompt_tokens / state::kPageTokens;
  }
  int64_t sampled() const { return length() - prompt_tokens; }
  /// Gives back pages and slot.
  void release() {
    pages.clear();
    slot = {};
  }
};

}  // namespace varve::engine
