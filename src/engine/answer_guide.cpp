#include "engine/answer_guide.h"

#include <algorithm>
#include <utility>

namespace varve::engine {

namespace {

/// More is no way to begin an answer.
constexpr int kMostGaps = 4;

bool has(std::span<const uint32_t> mask, int32_t id) {
  const auto i = static_cast<size_t>(id);
  return i / 32 < mask.size() && ((mask[i / 32] >> (i % 32)) & 1) != 0;
}

Result<std::monostate> fill(text::Constraint& constraint, std::vector<uint32_t>& mask) {
  mask.resize(constraint.mask_words());
  return constraint.mask(mask);
}

}  // namespace

AnswerGuide::Plan AnswerGuide::Plan::fork() const {
  Plan copy{.grammar = {},
            .begin = begin,
            .head = {},
            .opens = opens,
            .gap = gap,
            .call_grammar = {},
            .end_ids = end_ids,
            .budget = budget,
            .thought_end = thought_end};
  if (grammar) copy.grammar = grammar->fork();
  if (call_grammar) copy.call_grammar = call_grammar->fork();
  if (head) copy.head = head->fork();
  return copy;
}

AnswerGuide::AnswerGuide(Plan plan)
    : plan_(std::move(plan)), state_(plan_.begin == Begin::after_thought ? State::thought : State::before) {
  ruling_ = plan_.grammar && plan_.begin == Begin::at_once && !plan_.head && plan_.opens.empty() &&
            plan_.gap.empty();
}

void AnswerGuide::allow(int32_t id) {
  const auto i = static_cast<size_t>(id);
  if (mask_.size() <= i / 32) mask_.resize(i / 32 + 1, 0);
  mask_[i / 32] |= uint32_t{1} << (i % 32);
}

void AnswerGuide::close_thought(const Place& place) {
  if (!plan_.budget || !forced_.empty() || !place.in_thought) return;
  if (place.reasoning_tokens < *plan_.budget) return;
  forced_.assign(plan_.thought_end.begin(), plan_.thought_end.end());
  closing_ = true;
}

Result<std::span<const uint32_t>> AnswerGuide::mask(const Place& place) {
  close_thought(place);
  if (!forced_.empty()) {
    mask_.clear();
    allow(forced_.front());
    return std::span<const uint32_t>(mask_);
  }
  if (plan_.head || ruling_) {
    if (auto filled = fill(plan_.head ? *plan_.head : *plan_.grammar, mask_); !filled) return filled.error();
    return std::span<const uint32_t>(mask_);
  }
  if (!plan_.grammar || plan_.begin == Begin::at_call) return std::span<const uint32_t>();
  if (state_ == State::thought) {
    mask_.assign(plan_.grammar->mask_words(), ~uint32_t{0});
    for (const int32_t id : plan_.end_ids) mask_[static_cast<size_t>(id) / 32] &= ~(uint32_t{1} << (id % 32));
    return std::span<const uint32_t>(mask_);
  }
  if (auto filled = fill(*plan_.grammar, own_mask_); !filled) return filled.error();
  mask_ = own_mask_;
  for (const Opening& opening : plan_.opens)
    if (opening.kind != Opening::Kind::thought || state_ == State::before) allow(opening.ids.front());
  if (state_ == State::gap && gaps_ < kMostGaps)
    for (const int32_t id : plan_.gap) allow(id);
  return std::span<const uint32_t>(mask_);
}

Result<std::monostate> AnswerGuide::took(int32_t id, const Place& place) {
  if (!forced_.empty()) {
    forced_.pop_front();
    // A marker that closes nothing would be written again and again.
    if (forced_.empty() && std::exchange(closing_, false) && place.in_thought) plan_.budget.reset();
  } else if (!plan_.head && !ruling_ && plan_.grammar && plan_.begin != Begin::at_call &&
             state_ != State::thought) {
    return begin(id);
  }
  if (plan_.head) {
    if (auto consumed = plan_.head->consume(id); !consumed) return consumed.error();
    if (plan_.head->is_stopped()) {
      plan_.head.reset();
      ruling_ = plan_.grammar.has_value();
    }
  } else if (ruling_) {
    return plan_.grammar->consume(id);
  } else if (state_ == State::thought && forced_.empty() && !place.in_thought) {
    state_ = State::gap;
  }
  return std::monostate{};
}

/// Before the grammar rules: is this its first token, or what may stand before it?
Result<std::monostate> AnswerGuide::begin(int32_t id) {
  if (has(own_mask_, id)) {
    ruling_ = true;
    return plan_.grammar->consume(id);
  }
  const auto opening = std::find_if(plan_.opens.begin(), plan_.opens.end(),
                                    [&](const Opening& o) { return o.ids.front() == id; });
  if (opening == plan_.opens.end()) {
    ++gaps_;
    return std::monostate{};
  }
  forced_.assign(opening->ids.begin() + 1, opening->ids.end());
  switch (opening->kind) {
    case Opening::Kind::thought:
      state_ = State::thought;
      break;
    case Opening::Kind::marker:
      state_ = State::gap;
      break;
    case Opening::Kind::call:
      plan_.grammar = std::move(plan_.call_grammar);
      plan_.begin = Begin::at_call;
      break;
  }
  return std::monostate{};
}

void AnswerGuide::begin_call(std::span<const int32_t> ids) {
  text::Constraint trial = plan_.grammar->fork();
  for (const int32_t id : ids)
    if (!trial.consume(id)) return;
  plan_.grammar = std::move(trial);
  ruling_ = true;
}

}  // namespace varve::engine
