// A conversation's next turn goes on where the last one stopped, and the numbers say so.
#include "engine/kept_states.h"

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using test::Answer;
using test::collect;
using test::expected;
using test::FakeModel;
using test::greedy;
using test::make_engine;
using test::random_prompt;

Answer ask(Engine& engine, const std::vector<int32_t>& prompt, int64_t count, KeepId resume) {
  Request request = greedy(prompt, count);
  request.keep = true;
  request.resume = resume;
  Answer answer;
  EXPECT_TRUE(engine.submit(std::move(request), collect(answer)).ok());
  engine.run();
  return answer;
}

std::vector<int32_t> joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Kept : public testing::TestWithParam<FakeModel::Traits> {};

TEST_P(Kept, HistoryIsNotComputedAgain) {
  FakeModel model(GetParam());
  auto engine = make_engine(model, {});
  std::vector<int32_t> history;
  KeepId kept = 0;
  int64_t before = 0;
  for (uint64_t turn = 0; turn < 6; ++turn) {
    history = joined(history, random_prompt(turn, 21));
    model.rows_computed = 0;
    const Answer answer = ask(*engine, history, 18, kept);
    EXPECT_EQ(answer.ids, expected(model, history, {.temperature = 0.0}, 18));
    const Usage& usage = answer.finish().usage;
    EXPECT_EQ(usage.cached_tokens, before);
    EXPECT_EQ(model.rows_computed, usage.prompt_tokens - before + 17);
    history = joined(history, answer.ids);
    before = static_cast<int64_t>(history.size()) - 1;  // the last token was never computed
    kept = answer.finish().kept;
    EXPECT_NE(kept, 0u);
    EXPECT_EQ(engine->stats().kept, 1);
    EXPECT_EQ(engine->stats().pages_promised, 0);
  }
  engine->forget(kept);
  EXPECT_EQ(engine->stats().pages_held, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Kept,
                         testing::Values(FakeModel::Traits{},
                                         FakeModel::Traits{.paged = false, .recurrent = true},
                                         FakeModel::Traits{.paged = true, .recurrent = true}));

/// The next turn may leave the common path at any token, and may be the same prompt again.
TEST(KeptStates, EveryPointOfDivergence) {
  FakeModel model;
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 40);
  for (size_t point = 0; point <= prompt.size(); ++point) {
    const Answer first = ask(*engine, prompt, 10, 0);
    auto changed = prompt;
    if (point < changed.size()) changed[point] = (changed[point] + 1) % 97;
    const Answer second = ask(*engine, changed, 10, first.finish().kept);
    EXPECT_EQ(second.ids, expected(model, changed, {.temperature = 0.0}, 10)) << point;
    EXPECT_EQ(second.finish().usage.cached_tokens, static_cast<int64_t>(std::min<size_t>(point, 39)));
    engine->forget(second.finish().kept);
    EXPECT_EQ(engine->stats().pages_held, 0);
  }
}

/// Recurrent state cannot go back.
TEST(KeptStates, RecurrentStateIsTakenWholeOrNotAtAll) {
  FakeModel model({.paged = true, .recurrent = true});
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 40);
  const Answer first = ask(*engine, prompt, 10, 0);
  const Answer again = ask(*engine, prompt, 10, first.finish().kept);
  EXPECT_EQ(again.finish().usage.cached_tokens, 0);
  EXPECT_EQ(again.ids, first.ids);
}

TEST(KeptStates, OtherPositionsAreNotShared) {
  FakeModel model;
  model.class_border = 60;
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 40);
  const Answer first = ask(*engine, prompt, 10, 0);                     // limit 50
  const Answer longer = ask(*engine, prompt, 30, first.finish().kept);  // limit 70
  EXPECT_EQ(longer.finish().usage.cached_tokens, 0);
  const Answer again = ask(*engine, prompt, 40, longer.finish().kept);  // limit 80
  EXPECT_EQ(again.finish().usage.cached_tokens, 39);
}

TEST(KeptStates, ACancelledTurnIsKeptAsFarAsItCame) {
  FakeModel model;
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 20);
  Request request = greedy(prompt, 100);
  request.keep = true;
  Answer cut;
  const auto id = engine->submit(std::move(request), collect(cut));
  for (int i = 0; i < 8; ++i) engine->run_step();
  ASSERT_TRUE(engine->cancel(id.value()));
  ASSERT_EQ(cut.ids.size(), 8u);
  EXPECT_EQ(engine->stats().pages_held, 2);
  EXPECT_EQ(engine->stats().pages_promised, 0);  // what it might have needed is free again
  const Answer next = ask(*engine, joined(joined(prompt, cut.ids), {5, 6, 7}), 5, cut.finish().kept);
  EXPECT_EQ(next.finish().usage.cached_tokens, 27);
  EXPECT_EQ(next.ids, expected(model, joined(joined(prompt, cut.ids), {5, 6, 7}), {.temperature = 0.0}, 5));
}

TEST(KeptStates, MakeWayTheOldestFirstAndAreThenComputedAgain) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.context = 160, .cache_bytes = 10 * 128}});
  std::vector<Answer> turns;
  for (uint64_t i = 0; i < 3; ++i) turns.push_back(ask(*engine, random_prompt(i, 40), 8, 0));  // 3 pages each
  EXPECT_EQ(engine->stats().kept, 3);
  EXPECT_EQ(engine->stats().pages_held, 9);
  turns.push_back(ask(*engine, random_prompt(3, 40), 8, 0));
  EXPECT_EQ(engine->stats().kept, 3);
  const auto resumed = [&](size_t i) {
    const auto prompt = joined(random_prompt(i, 40), turns[i].ids);
    const Answer answer = ask(*engine, prompt, 1, turns[i].finish().kept);
    EXPECT_EQ(answer.ids, expected(model, prompt, {.temperature = 0.0}, 1));
    return answer.finish().usage.cached_tokens;
  };
  EXPECT_EQ(resumed(2), 47);
  EXPECT_EQ(resumed(0), 0);  // the oldest had gone
}

/// A chat in a cache of exactly one context never needs more, whatever is kept.
TEST(KeptStates, OneContextOfMemoryIsEnoughForAChat) {
  FakeModel model({.max_positions = 200});
  auto engine = make_engine(model, {.memory = {.max_sequences = 1}});
  std::vector<int32_t> history;
  KeepId kept = 0;
  for (uint64_t turn = 0; turn < 9; ++turn) {
    history = joined(history, random_prompt(turn, 9));
    Request request = greedy(history, 1);
    request.limits.max_tokens.reset();
    request.limits.stop_ids = {5, 6, 7, 8, 9, 10, 11, 12};
    request.keep = true;
    request.resume = kept;
    Answer answer;
    const auto id = engine->submit(std::move(request), collect(answer));
    if (!id.ok()) break;  // the context is full
    engine->run();
    ASSERT_EQ(answer.finishes.size(), 1u);
    if (turn > 0) {
      EXPECT_GT(answer.finish().usage.cached_tokens, 0);
    }
    history = joined(history, answer.ids);
    kept = answer.finish().kept;
  }
  EXPECT_GT(history.size(), 100u);
}

}  // namespace
}  // namespace varve::engine
