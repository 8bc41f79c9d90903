// Whatever a layer remembers (pages, windows, latents, convolutions, recurrent state), a sequence can begin
// with what others computed and can be forked, and goes on with the same bits as one alone. Over every
// golden.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/json.h"
#include "engine/engine.h"
#include "models/runner.h"
#include "state/pages.h"
#include "state/slot_pool.h"
#include "support/data.h"
#include "support/goldens.h"

namespace varve::engine {
namespace {

namespace fs = std::filesystem;

using Ids = std::vector<int32_t>;

Ids joined(const Ids& a, const Ids& b) {
  Ids out = a;
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

class FamilyState : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    loaded_ = test::load(GetParam(), {.precision = ops::Precision::fast});
    const Value golden = json::read_file(GetParam() / "golden.json");
    ids_ = test::ids_of(*golden.find("ids"));
    ASSERT_GE(ids_.size(), 12u);
  }
  test::Loaded loaded_;
  Ids ids_;
};

/// An answer with the bits of its log probabilities.
struct Turn {
  Ids ids;
  std::vector<float> logprobs;
  Usage usage;
};

void submit(Engine& engine, const Ids& prompt, int64_t count, Turn& turn) {
  Request request;
  request.prompt = IdsPrompt{prompt};
  request.sampling = {.temperature = 0, .top_logprobs = 20};
  request.limits = {.max_tokens = count, .ignore_eos = true};
  const auto submitted = engine.submit(std::move(request), [&turn](Event event) {
    if (const auto* answer = std::get_if<AnswerEvent>(&event)) {
      for (const SampledToken& token : answer->tokens) {
        turn.ids.push_back(token.id);
        turn.logprobs.push_back(token.logprob);
        for (const TokenLogprob& other : token.top) turn.logprobs.push_back(other.logprob);
      }
    } else if (auto* finish = std::get_if<FinishEvent>(&event)) {
      turn.usage = finish->usage;
    }
  });
  ASSERT_TRUE(submitted.ok());
}

Turn run(Engine& engine, const Ids& prompt, int64_t count) {
  Turn turn;
  submit(engine, prompt, count, turn);
  engine.run();
  return turn;
}

std::unique_ptr<Engine> make(const test::Loaded& loaded, int64_t step_tokens) {
  const int64_t most = loaded.model->spec().max_positions;
  auto made = Engine::create(*loaded.model, *loaded.backend, nullptr,
                             {.memory = {.context = most > 0 ? std::min<int64_t>(most, 256) : 256,
                                         .cache_bytes = 50'000'000,
                                         .max_sequences = 4},
                              .step_tokens = step_tokens});
  EXPECT_TRUE(made.ok()) << made.error().message;
  return std::move(made.value());
}

constexpr int64_t kCount = 4;  // tokens of an answer

/// `prompt` in an engine that knows something, against one that knows nothing.
void expect_as_cold(const test::Loaded& loaded, const Ids& prompt, const Turn& warm) {
  const Turn cold = run(*make(loaded, 512), prompt, kCount);
  EXPECT_EQ(cold.usage.cached_tokens, 0);
  EXPECT_EQ(cold.ids, warm.ids);
  EXPECT_EQ(cold.logprobs, warm.logprobs);
}

TEST_P(FamilyState, WhatIsKnownGivesTheSameBits) {
  const int64_t most = loaded_.model->spec().max_positions;
  const auto length = static_cast<size_t>(most > 0 ? std::min<int64_t>(most - 22, 90) : 90);
  ASSERT_GE(length, 20u);
  Ids first;
  while (first.size() < length) first.push_back(ids_[first.size() * 7 % ids_.size()]);
  const bool recurrent = loaded_.model->state().slot_bytes > 0;
  // Rotary kinds that depend on the length share nothing with other classes.
  const auto shares = [&](const Ids& a, const Ids& b) {
    const auto of = [&](const Ids& ids) {
      return loaded_.model->position_class(static_cast<int64_t>(ids.size()) + kCount);
    };
    return of(a) == of(b);
  };
  auto engine = make(loaded_, 23);
  const Turn one = run(*engine, first, kCount);
  expect_as_cold(loaded_, first, one);

  const Ids message(ids_.begin(), ids_.begin() + 8);
  const Ids next = joined(joined(first, one.ids), message);  // the conversation goes on
  const Turn two = run(*engine, next, kCount);
  if (shares(first, next)) {
    EXPECT_EQ(two.usage.cached_tokens, static_cast<int64_t>(length) + kCount - 1);
  }
  expect_as_cold(loaded_, next, two);

  const Turn again = run(*engine, first, kCount);  // goes back
  const auto last = static_cast<int64_t>(length) - 1;
  EXPECT_EQ(again.usage.cached_tokens, recurrent ? last / 16 * 16 : last);
  expect_as_cold(loaded_, first, again);

  const Ids left = joined(next, {ids_[0], ids_[1]}), right = joined(next, {ids_[2], ids_[0]});
  Turn left_turn, right_turn;  // side by side
  submit(*engine, left, kCount, left_turn);
  submit(*engine, right, kCount, right_turn);
  engine->run();
  if (shares(next, left)) {
    const int64_t before = static_cast<int64_t>(next.size()) - 1;
    EXPECT_GE(left_turn.usage.cached_tokens, recurrent ? before / 16 * 16 : before + 1);
  }
  expect_as_cold(loaded_, left, left_turn);
  expect_as_cold(loaded_, right, right_turn);
}

/// A sequence in pools of pages and slots, run without an engine.
struct Branch {
  state::Pages pages;
  state::Slot slot;

  /// The logits after each of `ids`.
  std::vector<float> add(const test::Loaded& loaded, const Ids& ids, int64_t limit) {
    const auto position = static_cast<int32_t>(pages.length());
    pages.extend(static_cast<int64_t>(ids.size()));
    nn::Step step;
    step.tokens = ids;
    step.slices.push_back({.begin = 0,
                           .count = static_cast<int32_t>(ids.size()),
                           .position = position,
                           .limit = limit,
                           .pages = pages.addresses(),
                           .slot = slot.data()});
    for (int32_t r = 0; r < static_cast<int32_t>(ids.size()); ++r) step.logit_rows.push_back(r);
    std::vector<float> logits(ids.size() * static_cast<size_t>(loaded.model->spec().vocab));
    loaded.model->forward(step, *loaded.backend, {.logits = logits.data()});
    return logits;
  }
};

TEST_P(FamilyState, ForksGoOnAsIfAlone) {
  const nn::StateLayout& layout = loaded_.model->state();
  const auto limit = static_cast<int64_t>(ids_.size());
  state::PagePool pool(layout.page_bytes, 4 * state::pages_for(limit));
  state::SlotPool slots(layout.slot_bytes, 3);
  auto fresh = [&] {
    Branch branch{.pages = state::Pages(pool), .slot = *slots.take()};
    EXPECT_TRUE(branch.pages.reserve(limit));
    return branch;
  };
  const auto middle = ids_.begin() + static_cast<ptrdiff_t>(ids_.size()) * 2 / 3;  // inside a page
  const Ids stem(ids_.begin(), middle), left(middle, ids_.end());
  const Ids right(left.rbegin(), left.rend());

  auto alone = [&](const Ids& end) {
    Branch branch = fresh();
    branch.add(loaded_, stem, limit);
    return branch.add(loaded_, end, limit);
  };
  const std::vector<float> left_alone = alone(left), right_alone = alone(right);

  Branch trunk = fresh();
  trunk.add(loaded_, stem, limit);
  auto pages = trunk.pages.fork(static_cast<int64_t>(stem.size()), limit);
  ASSERT_TRUE(pages.has_value());
  Branch fork{.pages = std::move(*pages), .slot = *slots.copy(trunk.slot)};
  EXPECT_EQ(trunk.add(loaded_, left, limit), left_alone);
  EXPECT_EQ(fork.add(loaded_, right, limit), right_alone);
}

INSTANTIATE_TEST_SUITE_P(Cases, FamilyState, testing::ValuesIn(test::golden_checkpoints()),
                         [](const auto& param) { return test::case_name(param.param); });

}  // namespace
}  // namespace varve::engine
