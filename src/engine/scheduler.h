#pragma once
// Decides who runs: takes sequences, makes Steps, and owns everything that outlives a step. One thread.
//
// Admission, first come first served: a sequence starts when a place is free and all pages it can ever
// need are promised to it, so nothing that has started ever waits for memory. The choices of one request
// start together. What earlier requests left behind (PrefixCache) makes way, the oldest first. One whose
// beginning is being computed by another right now waits until it is there, and lets others pass: what it
// waits for runs and waits for nothing.
//
// Steps: at most as many rows as plan() is told. Sequences with one row to compute come first, so that
// running answers keep their pace while long prompts are computed. Of the rows that are left the oldest
// waiting prompt gets half, so that it always advances, and the shortest prompts the rest, so that they need
// not wait for long ones.
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/prefix_cache.h"
#include "engine/sequence.h"
#include "nn/step.h"
#include "state/page_pool.h"
#include "state/slot_pool.h"

namespace varve::engine {

/// A step, and who samples from its logits: logits row i belongs to sampling[i].
struct Plan {
  nn::Step step;
  std::vector<Sequence*> sampling;
};

class Scheduler {
 public:
  Scheduler(int64_t max_sequences, state::PagePool& pages, state::SlotPool& slots)
      : max_sequences_(max_sequences), cache_(pages, slots) {}

  void enqueue(std::unique_ptr<Sequence> sequence) { waiting_.push_back(std::move(sequence)); }
  /// Starts as many waiting sequences as fit.
  void admit(Clock::time_point now);
  /// The next step, of at most `most` rows, or one per running sequence if those are more; no slices when
  /// nothing runs. The pages of its rows are counted as filled: it must run.
  Plan plan(int64_t most);
  /// The step has run.
  void ran();

  /// Marks all choices of a request as cancelled. False when there are none, or they are so already.
  bool cancel(RequestId request);
  /// The first that is marked as cancelled, or null.
  Sequence* find_cancelled();
  /// Takes it out, with all it holds.
  std::unique_ptr<Sequence> remove(RequestId id);

  PrefixCache& cache() { return cache_; }
  const PrefixCache& cache() const { return cache_; }
  const std::deque<std::unique_ptr<Sequence>>& waiting() const { return waiting_; }
  const std::vector<std::unique_ptr<Sequence>>& running() const { return running_; }
  int64_t max_sequences() const { return max_sequences_; }
  bool idle() const { return waiting_.empty() && running_.empty(); }

 private:
  bool waits_for_another(Sequence& sequence) const;
  void run(std::unique_ptr<Sequence> sequence, Clock::time_point now);
  std::vector<int64_t> share_rows(int64_t left) const;

  int64_t max_sequences_;
  PrefixCache cache_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in order of admission
};

}  // namespace varve::engine
