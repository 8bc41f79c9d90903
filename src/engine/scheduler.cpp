#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

namespace varve::engine {

void Scheduler::admit(Clock::time_point now) {
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    if (static_cast<int64_t>(running_.size() + (*next)->others.size()) >= max_sequences_) return;
    if (waits_for_another(**next)) {
      ++next;
      continue;
    }
    if (!cache_.start(**next, running_.empty())) return;
    run(std::move(*next), now);
    next = waiting_.erase(next);
  }
}

void Scheduler::run(std::unique_ptr<Sequence> sequence, Clock::time_point now) {
  sequence->started = now;
  auto others = std::move(sequence->others);
  const Sequence* const first = sequence.get();
  running_.push_back(std::move(sequence));
  for (auto& other : others) {
    other->first = first;
    other->started = now;
    other->cached_tokens = first->cached_tokens;
    other->remembered_tokens = first->remembered_tokens;
    running_.push_back(std::move(other));
  }
}

bool Scheduler::waits_for_another(Sequence& sequence) const {
  Sequence::Prefix& prefix = sequence.prefix;
  for (const auto& leader : running_)
    if (leader->id == prefix.leader && !leader->cancelled && leader->computed() < prefix.until) return true;
  prefix.leader = 0;
  prefix.until = running_.empty() ? 0 : cache_.known(sequence);
  for (const auto& leader : running_) {
    const int64_t known = cache_.known_after(*leader, sequence);
    if (known <= prefix.until) continue;
    prefix.leader = leader->id;
    prefix.until = known;
  }
  return prefix.leader != 0;
}

void Scheduler::ran() {
  for (const auto& sequence : running_) cache_.advanced(*sequence);
}

std::vector<int64_t> Scheduler::share_rows(int64_t left) const {
  std::vector<int64_t> rows(running_.size(), 0);
  std::vector<size_t> prompts;  // oldest first
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i]->first) continue;
    if (running_[i]->pending() > 1) {
      prompts.push_back(i);
    } else {
      rows[i] = 1;
      --left;
    }
  }
  if (prompts.empty() || left <= 0) return rows;
  const auto grant = [&](size_t i, int64_t most) {
    const int64_t count = std::min({cache_.rows_to_mark(*running_[i]) - rows[i], most, left});
    rows[i] += count;
    left -= count;
  };
  const size_t oldest = prompts.front();
  grant(oldest, (left + 1) / 2);
  std::stable_sort(prompts.begin(), prompts.end(),
                   [&](size_t a, size_t b) { return running_[a]->pending() < running_[b]->pending(); });
  for (const size_t i : prompts)
    if (i != oldest) grant(i, left);
  grant(oldest, left);
  return rows;
}

Plan Scheduler::plan(int64_t most) {
  Plan plan;
  const std::vector<int64_t> rows = share_rows(most);
  for (size_t i = 0; i < running_.size(); ++i) {
    if (rows[i] == 0) continue;
    Sequence& sequence = *running_[i];
    const int64_t position = sequence.computed();
    const bool last = rows[i] == sequence.pending();
    sequence.pages.extend(rows[i]);
    plan.step.slices.push_back({.begin = static_cast<int32_t>(plan.step.rows()),
                                .count = static_cast<int32_t>(rows[i]),
                                .position = static_cast<int32_t>(position),
                                .limit = sequence.limit,
                                .pages = sequence.pages.addresses(),
                                .slot = sequence.slot.data()});
    const auto first = sequence.tokens.begin() + position;
    plan.step.tokens.insert(plan.step.tokens.end(), first, first + rows[i]);
    if (!last) continue;
    plan.step.logit_rows.push_back(static_cast<int32_t>(plan.step.rows() - 1));
    plan.sampling.push_back(&sequence);
  }
  return plan;
}

bool Scheduler::cancel(RequestId request) {
  bool any = false;
  const auto mark = [&](Sequence& sequence) {
    if (sequence.request == request && !std::exchange(sequence.cancelled, true)) any = true;
  };
  for (const auto& sequence : waiting_) mark(*sequence);
  for (const auto& sequence : running_) mark(*sequence);
  return any;
}

Sequence* Scheduler::find_cancelled() {
  for (const auto& sequence : waiting_)
    if (sequence->cancelled) return sequence.get();
  for (const auto& sequence : running_)
    if (sequence->cancelled) return sequence.get();
  return nullptr;
}

std::unique_ptr<Sequence> Scheduler::remove(RequestId id) {
  const auto take = [&](auto& from) -> std::unique_ptr<Sequence> {
    const auto found = std::find_if(from.begin(), from.end(), [&](const auto& s) { return s->id == id; });
    if (found == from.end()) return nullptr;
    auto sequence = std::move(*found);
    from.erase(found);
    return sequence;
  };
  auto sequence = take(running_);
  return sequence ? std::move(sequence) : take(waiting_);
}

}  // namespace varve::engine
