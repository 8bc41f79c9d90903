// No beginning that is known is computed again, the answers stay the same, and the numbers say what happened.
#include "engine/prefix_cache.h"

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

using Ids = std::vector<int32_t>;

constexpr FakeModel::Traits kPaged{};
constexpr FakeModel::Traits kRecurrent{.paged = false, .recurrent = true};
constexpr FakeModel::Traits kHybrid{.paged = true, .recurrent = true};
constexpr Sampling kGreedy{.temperature = 0.0};

Answer ask(Engine& engine, const Ids& prompt, int64_t count, const CacheHints& cache = {}) {
  Request request = greedy(prompt, count);
  request.cache = cache;
  Answer answer;
  EXPECT_TRUE(engine.submit(std::move(request), collect(answer)).ok());
  engine.run();
  return answer;
}

Ids joined(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Prefix : public testing::TestWithParam<FakeModel::Traits> {};
INSTANTIATE_TEST_SUITE_P(Kinds, Prefix, testing::Values(kPaged, kRecurrent, kHybrid));

TEST_P(Prefix, HistoryIsNotComputedAgain) {
  FakeModel model(GetParam());
  auto engine = make_engine(model, {});
  Ids history;
  int64_t before = 0;
  for (uint64_t turn = 0; turn < 8; ++turn) {
    history = joined(history, random_prompt(turn, 21));
    model.rows_computed = 0;
    const Answer answer = ask(*engine, history, 18);
    EXPECT_EQ(answer.ids, expected(model, history, kGreedy, 18));
    const Usage& usage = answer.finish().usage;
    EXPECT_EQ(usage.cached_tokens, before);
    EXPECT_EQ(usage.remembered_tokens, usage.prompt_tokens - before);
    EXPECT_EQ(model.rows_computed, usage.prompt_tokens - before + 17);
    history = joined(history, answer.ids);
    before = static_cast<int64_t>(history.size()) - 1;  // the last token was never computed
    EXPECT_EQ(engine->stats().prefix.pages, state::pages_for(before));
    EXPECT_EQ(engine->stats().pages_promised, 0);
  }
  const PrefixCache::Stats stats = engine->stats().prefix;
  EXPECT_GT(stats.known_tokens, 700);
  EXPECT_EQ(stats.new_tokens, 8 * 22 - 1);  // each turn's own, and the last answer's last token
  engine->forget();
  EXPECT_EQ(engine->stats().pages_held, 0);
  EXPECT_EQ(engine->stats().prefix.bytes, 0);
}

/// The next turn may leave the common path at any token, and may be the same prompt again.
TEST(PrefixCache, EveryPointOfDivergence) {
  FakeModel model;
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 140);
  for (size_t point = 0; point <= prompt.size(); ++point) {
    ask(*engine, prompt, 10);
    auto changed = prompt;
    if (point < changed.size()) changed[point] = (changed[point] + 1) % 97;
    const Answer second = ask(*engine, changed, 10);
    EXPECT_EQ(second.ids, expected(model, changed, kGreedy, 10)) << point;
    EXPECT_EQ(second.finish().usage.cached_tokens, static_cast<int64_t>(std::min<size_t>(point, 139)));
    engine->forget();
    EXPECT_EQ(engine->stats().pages_held, 0);
  }
}

/// Recurrent state cannot go back, but it can be had where a snapshot was taken: just before the prompt's
/// end.
TEST(PrefixCache, RecurrentStateIsTakenUpWhereASnapshotIs) {
  for (const auto& traits : {kRecurrent, kHybrid}) {
    FakeModel model(traits);
    auto engine = make_engine(model, {});
    const auto prompt = random_prompt(1, 100);
    const Answer first = ask(*engine, prompt, 10);
    EXPECT_EQ(engine->stats().prefix.snapshots, 2);
    const Answer again = ask(*engine, prompt, 10);
    EXPECT_EQ(again.finish().usage.cached_tokens, 96);
    EXPECT_EQ(again.ids, first.ids);
    auto changed = prompt;
    changed[95] = (changed[95] + 1) % 97;
    const Answer other = ask(*engine, changed, 10);
    EXPECT_EQ(other.finish().usage.cached_tokens, 0);
    EXPECT_EQ(other.ids, expected(model, changed, kGreedy, 10));
  }
}

/// Messages are framed by a control token: conversations with the same first message share it, and an answer
/// that comes back otherwise than it was given costs only itself.
TEST_P(Prefix, MessagesThatAreSharedAndAnswersThatChanged) {
  FakeModel model(GetParam());
  const test::FakeCodec codec(std::vector<std::string>(97, "x"), "", {96});
  auto engine = make_engine(model, {}, &codec);
  const auto message = [](uint64_t seed, int64_t count) {
    return joined({96}, random_prompt(seed, count, 96));
  };
  const Ids system = message(1, 79);
  Ids chat = joined(joined(system, message(2, 31)), {96, 5});
  ask(*engine, chat, 20);
  const Answer other = ask(*engine, joined(joined(system, message(3, 50)), {96, 5}), 4);
  EXPECT_EQ(other.finish().usage.cached_tokens, model.state().slot_bytes > 0 ? 80 : 81);
  chat = joined(joined(chat, random_prompt(4, 12, 96)), joined(message(5, 9), {96, 5}));
  const Answer next = ask(*engine, chat, 10);
  EXPECT_GE(next.finish().usage.cached_tokens, 112);
  EXPECT_LE(next.finish().usage.cached_tokens, 114);
  EXPECT_EQ(next.ids, expected(model, chat, kGreedy, 10));
}

TEST(PrefixCache, OtherPositionsAreNotShared) {
  FakeModel model;
  model.class_border = 60;
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 40);
  ask(*engine, prompt, 10);                                              // limit 50
  EXPECT_EQ(ask(*engine, prompt, 30).finish().usage.cached_tokens, 0);   // limit 70
  EXPECT_EQ(ask(*engine, prompt, 40).finish().usage.cached_tokens, 39);  // limit 80
}

TEST_P(Prefix, NamespacesAreApartAndNothingIsLeftWithoutLeave) {
  FakeModel model(GetParam());
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 97);
  const Answer silent = ask(*engine, prompt, 10, {.name_space = "a", .remember = false});
  EXPECT_EQ(silent.finish().usage.remembered_tokens, 0);
  EXPECT_EQ(engine->stats().pages_held, 0);
  EXPECT_EQ(engine->stats().prefix.blocks, 0);
  const Answer first = ask(*engine, prompt, 10, {.name_space = "a"});
  EXPECT_EQ(first.finish().usage.cached_tokens, 0);
  EXPECT_EQ(first.finish().usage.remembered_tokens, 97);
  EXPECT_EQ(ask(*engine, prompt, 10, {.name_space = "b"}).finish().usage.cached_tokens, 0);
  EXPECT_EQ(ask(*engine, prompt, 10).finish().usage.cached_tokens, 0);
  const Answer reader = ask(*engine, prompt, 10, {.name_space = "a", .remember = false});
  EXPECT_EQ(reader.finish().usage.cached_tokens, 96);
  EXPECT_EQ(reader.ids, silent.ids);
}

TEST(PrefixCache, ACancelledTurnIsKeptAsFarAsItCame) {
  FakeModel model;
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 20);
  Answer cut;
  const auto id = engine->submit(greedy(prompt, 100), collect(cut));
  for (int i = 0; i < 8; ++i) engine->run_step();
  ASSERT_TRUE(engine->cancel(id.value()));
  ASSERT_EQ(cut.ids.size(), 8u);
  EXPECT_EQ(engine->stats().pages_held, 2);
  EXPECT_EQ(engine->stats().pages_promised, 0);  // what it might have needed is free again
  const Ids next = joined(joined(prompt, cut.ids), {5, 6, 7});
  const Answer answer = ask(*engine, next, 5);
  EXPECT_EQ(answer.finish().usage.cached_tokens, 27);
  EXPECT_EQ(answer.ids, expected(model, next, kGreedy, 5));
}

TEST(PrefixCache, StateThatGaveNoNumbersIsNotLeft) {
  FakeModel model;
  model.poison = std::numeric_limits<float>::quiet_NaN();
  auto engine = make_engine(model, {});
  EXPECT_EQ(ask(*engine, random_prompt(1, 40), 5).errors.size(), 1u);
  EXPECT_EQ(engine->stats().pages_held, 0);
}

TEST(PrefixCache, MakesWayTheOldestFirstAndIsThenComputedAgain) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.context = 160, .cache_bytes = 10 * 128}});
  std::vector<Answer> turns;
  for (uint64_t i = 0; i < 3; ++i) turns.push_back(ask(*engine, random_prompt(i, 40), 8));  // 3 pages each
  EXPECT_EQ(engine->stats().prefix.pages, 9);
  turns.push_back(ask(*engine, random_prompt(3, 40), 8));
  EXPECT_EQ(engine->stats().prefix.pages, 9);
  EXPECT_EQ(engine->stats().prefix.evictions, 1);
  const auto again = [&](size_t i) {
    const auto prompt = joined(random_prompt(i, 40), turns[i].ids);
    const Answer answer = ask(*engine, prompt, 1);
    EXPECT_EQ(answer.ids, expected(model, prompt, kGreedy, 1));
    return answer.finish().usage.cached_tokens;
  };
  EXPECT_EQ(again(2), 47);
  EXPECT_EQ(again(0), 0);  // the oldest had gone
}

/// A chat in a cache of exactly one context never needs more, whatever is remembered.
TEST_P(Prefix, OneContextOfMemoryIsEnoughForAChat) {
  FakeModel::Traits traits = GetParam();
  traits.max_positions = 200;
  FakeModel model(traits);
  auto engine = make_engine(model, {.memory = {.max_sequences = 1}});
  Ids history;
  for (uint64_t turn = 0; turn < 9; ++turn) {
    history = joined(history, random_prompt(turn, 9));
    Request request = greedy(history, 1);
    request.limits.max_tokens.reset();
    request.limits.stop_ids = {5, 6, 7, 8, 9, 10, 11, 12};
    Answer answer;
    const auto id = engine->submit(std::move(request), collect(answer));
    if (!id.ok()) break;  // the context is full
    engine->run();
    ASSERT_EQ(answer.finishes.size(), 1u);
    if (turn > 0) {
      EXPECT_EQ(answer.finish().usage.cached_tokens, static_cast<int64_t>(history.size()) - 10);
    }
    history = joined(history, answer.ids);
  }
  EXPECT_GT(history.size(), 100u);
}

/// A client sends several requests with the same long beginning at once.
TEST_P(Prefix, WhatAnotherComputesRightNowIsWaitedFor) {
  FakeModel model(GetParam());
  auto engine = make_engine(model, {.memory = {.cache_bytes = 200'000}, .step_tokens = 40});
  const auto stem = random_prompt(1, 300);
  std::vector<Answer> answers(4);
  std::vector<Ids> prompts;
  for (size_t i = 0; i < 4; ++i) prompts.push_back(joined(stem, random_prompt(10 + i, 2)));
  Answer unlike;
  for (size_t i = 0; i < 4; ++i) ASSERT_TRUE(engine->submit(greedy(prompts[i], 5), collect(answers[i])).ok());
  ASSERT_TRUE(engine->submit(greedy(random_prompt(2, 30), 2), collect(unlike)).ok());
  engine->run_step();
  EXPECT_EQ(engine->stats().running, 2);  // the first, and the one that shares nothing
  engine->run();
  EXPECT_EQ(unlike.finish().usage.cached_tokens, 0);
  const int64_t shared = model.state().slot_bytes > 0 ? 288 : 256;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answers[i].ids, expected(model, prompts[i], kGreedy, 5));
    EXPECT_GE(answers[i].finish().usage.cached_tokens, i == 0 ? 0 : shared);
  }
  EXPECT_LE(model.rows_computed, 302 + 3 * (302 - shared) + 4 * 4 + 31);
}

TEST_P(Prefix, WhoeverWaitedGoesOnWhenTheFirstIsCancelled) {
  FakeModel model(GetParam());
  auto engine = make_engine(model, {.memory = {.cache_bytes = 200'000}, .step_tokens = 20});
  const auto prompt = random_prompt(1, 300);
  Answer first, second, third;
  const auto id = engine->submit(greedy(prompt, 5), collect(first));
  ASSERT_TRUE(engine->submit(greedy(prompt, 5), collect(second)).ok());
  const auto waiting = engine->submit(greedy(prompt, 5), collect(third));
  for (int i = 0; i < 7; ++i) engine->run_step();
  EXPECT_EQ(engine->stats().running, 1);
  ASSERT_TRUE(engine->cancel(waiting.value()));
  ASSERT_TRUE(engine->cancel(id.value()));
  engine->run();
  EXPECT_EQ(first.finish().usage.remembered_tokens, 140);
  EXPECT_EQ(second.finish().usage.cached_tokens, 140);
  EXPECT_EQ(second.ids, expected(model, prompt, kGreedy, 5));
  EXPECT_EQ(third.finish().usage.remembered_tokens, 0);
}

/// A client that works on a task: a long first message, many turns of which each adds the last answer and a
/// result, and beside each a short question of its own about the same conversation. Of the tokens that were
/// there before, nearly all are known.
TEST_P(Prefix, ALongSessionKnowsNearlyAllThatItHasSeen) {
  FakeModel::Traits traits = GetParam();
  traits.max_positions = 4096;
  FakeModel model(traits);
  const test::FakeCodec codec(std::vector<std::string>(97, "x"), "", {96});
  auto engine = make_engine(model, {.memory = {.cache_bytes = 1'000'000, .max_sequences = 4}}, &codec);
  Ids history = joined({96}, random_prompt(1, 700, 96));
  int64_t seen = 0, cached = 0, before = 0;
  for (uint64_t turn = 0; turn < 20; ++turn) {
    const Ids prompt = joined(joined(joined(history, {96}), random_prompt(10 + turn, 40, 96)), {96, 5});
    const Ids aside = joined(joined(joined(history, {96}), random_prompt(90 + turn, 9, 96)), {96, 6});
    Answer main, other;
    ASSERT_TRUE(engine->submit(greedy(prompt, 30), collect(main)).ok());
    ASSERT_TRUE(engine->submit(greedy(aside, 4), collect(other)).ok());
    engine->run();
    EXPECT_EQ(main.ids, expected(model, prompt, kGreedy, 30));
    EXPECT_EQ(other.ids, expected(model, aside, kGreedy, 4));
    if (turn > 0) {
      seen += 2 * before;
      cached += main.finish().usage.cached_tokens + other.finish().usage.cached_tokens;
    }
    history = joined(prompt, main.ids);
    before = static_cast<int64_t>(history.size());
  }
  EXPECT_GE(static_cast<double>(cached), 0.98 * static_cast<double>(seen));
}

/// Those who wait for another let others pass, and none of them waits for ever.
TEST_P(Prefix, MoreThanFitOfAFamilyOfPromptsAllEnd) {
  FakeModel model(GetParam());
  auto engine = make_engine(
      model, {.memory = {.context = 400, .cache_bytes = 60 * 128, .max_sequences = 3}, .step_tokens = 30});
  std::vector<Answer> answers(24);
  std::vector<Ids> prompts;
  for (size_t i = 0; i < answers.size(); ++i) {
    prompts.push_back(joined(joined(random_prompt(i % 2, 130), random_prompt(10 + i % 6, 70)),
                             random_prompt(100 + i, 1 + static_cast<int64_t>(i))));
    ASSERT_TRUE(engine->submit(greedy(prompts[i], 7), collect(answers[i])).ok());
  }
  engine->run();
  int64_t cached = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].ids, expected(model, prompts[i], kGreedy, 7));
    cached += answers[i].finish().usage.cached_tokens;
  }
  if (model.state().slot_bytes == 0) {
    EXPECT_GT(cached, 24 * 128);
  }
  EXPECT_EQ(engine->stats().pages_held, engine->stats().prefix.pages);
}

}  // namespace
}  // namespace varve::engine
