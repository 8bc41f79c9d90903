// Who runs when: read off the steps that the model was given.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/engine.h"
#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using test::Answer;
using test::collect;
using test::FakeModel;
using test::greedy;
using test::make_engine;
using test::random_prompt;

std::vector<int32_t> counts(const nn::Step& step) {
  std::vector<int32_t> out;
  for (const nn::Step::Slice& slice : step.slices) out.push_back(slice.count);
  return out;
}

TEST(Scheduler, ALongPromptIsCutAndRunningAnswersKeepTheirPace) {
  FakeModel model;
  model.record = true;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000}, .step_tokens = 32});
  std::vector<Answer> answers(4);
  for (size_t i = 0; i < 3; ++i)
    ASSERT_TRUE(engine->submit(greedy(random_prompt(i, 4), 40), collect(answers[i])).ok());
  engine->run_step();
  ASSERT_TRUE(engine->submit(greedy(random_prompt(9, 300), 5), collect(answers[3])).ok());
  for (int step = 0; step < 10; ++step) {
    engine->run_step();
    EXPECT_EQ(counts(model.steps.back()), (std::vector<int32_t>{1, 1, 1, 29}));
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(answers[i].ids.size(), static_cast<size_t>(step + 2));
  }
  engine->run();
  for (const Answer& answer : answers) EXPECT_EQ(answer.finishes.size(), 1u);
}

TEST(Scheduler, ShortPromptsDoNotWaitForLongOnesAndTheOldestAdvances) {
  FakeModel model;
  model.record = true;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000}, .step_tokens = 64});
  Answer first, second, tiny;
  ASSERT_TRUE(engine->submit(greedy(random_prompt(1, 400), 1), collect(first)).ok());
  ASSERT_TRUE(engine->submit(greedy(random_prompt(2, 400), 1), collect(second)).ok());
  ASSERT_TRUE(engine->submit(greedy(random_prompt(3, 10), 1), collect(tiny)).ok());
  engine->run_step();
  EXPECT_EQ(counts(model.steps.back()), (std::vector<int32_t>{32, 22, 10}));
  EXPECT_EQ(tiny.finishes.size(), 1u);
  engine->run_step();
  EXPECT_EQ(counts(model.steps.back()), (std::vector<int32_t>{32, 32}));
  engine->run();
}

TEST(Scheduler, StepsAreFullWhileThereIsWorkAndNeverOverTheBudget) {
  FakeModel model;
  model.record = true;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 1'000'000}, .step_tokens = 50});
  std::vector<Answer> answers(16);
  for (size_t i = 0; i < answers.size(); ++i)
    ASSERT_TRUE(
        engine->submit(greedy(random_prompt(i, static_cast<int64_t>(20 + 10 * i)), 30), collect(answers[i]))
            .ok());
  engine->run();
  int64_t prompt_rows = 0;
  for (size_t i = 0; i < answers.size(); ++i) prompt_rows += static_cast<int64_t>(20 + 10 * i);
  int64_t rows = 0;
  for (const nn::Step& step : model.steps) {
    EXPECT_LE(step.rows(), 50);
    if (rows + 50 <= prompt_rows) {
      EXPECT_EQ(step.rows(), 50);
    }
    rows += step.rows();
  }
  EXPECT_EQ(rows, prompt_rows + 16 * 29);
}

TEST(Scheduler, AtMostSoManyAtOnceFirstComeFirstServed) {
  FakeModel model;
  model.record = true;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000, .max_sequences = 3}});
  std::vector<Answer> answers(9);
  std::vector<size_t> order;
  for (size_t i = 0; i < answers.size(); ++i)
    ASSERT_TRUE(engine
                    ->submit(greedy(random_prompt(i, 5), 4),
                             [&, i](Event event) {
                               if (std::holds_alternative<FinishEvent>(event)) order.push_back(i);
                             })
                    .ok());
  engine->run();
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  for (const nn::Step& step : model.steps) EXPECT_LE(step.slices.size(), 3u);
}

/// What cannot get all its pages waits, whole; what has started always finishes.
TEST(Scheduler, AdmissionByPages) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.context = 160, .cache_bytes = 10 * 128}});
  std::vector<Answer> answers(5);
  for (size_t i = 0; i < answers.size(); ++i)  // 4 pages each: two at a time
    ASSERT_TRUE(engine->submit(greedy(random_prompt(i, 33), 30), collect(answers[i])).ok());
  engine->run_step();
  EXPECT_EQ(engine->stats().running, 2);
  EXPECT_EQ(engine->stats().waiting, 3);
  EXPECT_EQ(engine->stats().pages, 10);
  EXPECT_EQ(engine->stats().pages_held + engine->stats().pages_promised, 8);
  while (engine->run_step()) {
    EXPECT_LE(engine->stats().running, 2);
    EXPECT_LE(engine->stats().pages_held + engine->stats().pages_promised, 10);
  }
  for (size_t i = 0; i < answers.size(); ++i)
    EXPECT_EQ(answers[i].ids, test::expected(model, random_prompt(i, 33), {.temperature = 0.0}, 30));
}

/// Exactly the pages it needs: the last token is never computed.
TEST(Scheduler, ARequestThatJustFitsRuns) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.context = 32, .cache_bytes = 2 * 128}});
  Answer answer;
  ASSERT_TRUE(engine->submit(greedy(random_prompt(1, 31), 1000), collect(answer)).ok());
  engine->run();
  EXPECT_EQ(answer.ids.size(), 1u);
  Answer longer;
  ASSERT_TRUE(engine->submit(greedy(random_prompt(1, 1), 1000), collect(longer)).ok());
  engine->run();
  EXPECT_EQ(longer.ids.size(), 31u);
}

/// A thousand requests of every kind, cancelled at random: the right tokens, one end each, nothing held.
class Thousand : public testing::TestWithParam<FakeModel::Traits> {};

TEST_P(Thousand, RandomRequestsAllPagesComeBack) {
  FakeModel model(GetParam());
  auto engine = make_engine(model, {.memory = {.context = 200, .cache_bytes = 60 * 128, .max_sequences = 7},
                                    .step_tokens = 23,
                                    .stop_ids = {3}});
  std::mt19937 random(11);
  const auto below = [&](int n) { return static_cast<int64_t>(random() % static_cast<unsigned>(n)); };
  struct Case {
    Request request;
    Answer answer;
    RequestId id = 0;
  };
  std::vector<std::unique_ptr<Case>> cases;
  const auto submit = [&] {
    auto item = std::make_unique<Case>();
    Request& request = item->request;
    request = greedy(random_prompt(random(), 1 + below(120)), 1 + below(60));
    request.sampling.temperature = static_cast<double>(below(3)) * 0.6;
    request.sampling.seed = random();
    request.cache = {.name_space = below(4) == 0 ? "other" : "", .remember = below(4) > 0};
    if (!cases.empty() && below(2) == 0) {  // goes on where another stopped, or runs beside it
      const auto back = 1 + below(static_cast<int>(std::min<size_t>(cases.size(), 8)));
      const auto& earlier = *cases[cases.size() - static_cast<size_t>(back)];
      auto ids = std::get<IdsPrompt>(earlier.request.prompt).ids;
      ids.insert(ids.end(), earlier.answer.ids.begin(), earlier.answer.ids.end());
      ids.resize(std::min<size_t>(ids.size(), 150));
      ids.push_back(static_cast<int32_t>(below(97)));
      request.prompt = IdsPrompt{ids};
      request.cache.name_space = earlier.request.cache.name_space;
    }
    const auto id = engine->submit(request, collect(item->answer));
    ASSERT_TRUE(id.ok());
    item->id = id.value();
    cases.push_back(std::move(item));
  };
  while (cases.size() < 1000) {
    for (int64_t n = below(6); n > 0; --n) submit();
    for (int64_t n = below(30); n > 0; --n) engine->run_step();
    if (below(3) == 0 && !cases.empty())
      engine->cancel(cases[cases.size() - 1 -
                           static_cast<size_t>(below(static_cast<int>(std::min<size_t>(cases.size(), 9))))]
                         ->id);
    const Engine::Stats stats = engine->stats();
    ASSERT_LE(stats.pages_held + stats.pages_promised, stats.pages);
  }
  engine->run();
  int64_t cancelled = 0, cached = 0;
  for (const auto& item : cases) {
    ASSERT_EQ(item->answer.finishes.size(), 1u);
    const FinishEvent& finish = item->answer.finish();
    const auto& prompt = std::get<IdsPrompt>(item->request.prompt).ids;
    const auto whole =
        test::expected(model, prompt, item->request.sampling, static_cast<int64_t>(item->answer.ids.size()));
    ASSERT_EQ(item->answer.ids, whole);
    EXPECT_EQ(finish.usage.completion_tokens, static_cast<int64_t>(whole.size()));
    cancelled += finish.reason == FinishReason::cancelled;
    cached += finish.usage.cached_tokens;
    EXPECT_LE(finish.usage.cached_tokens + finish.usage.remembered_tokens, finish.usage.prompt_tokens);
  }
  EXPECT_GT(cancelled, 30);
  EXPECT_GT(cached, 1000);
  EXPECT_EQ(engine->stats().pages_held, engine->stats().prefix.pages);
  EXPECT_EQ(engine->stats().pages_promised, 0);
  engine->forget();
  EXPECT_EQ(engine->stats().prefix.blocks + engine->stats().prefix.snapshots, 0);
  EXPECT_EQ(engine->stats().pages_held, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Thousand,
                         testing::Values(FakeModel::Traits{},
                                         FakeModel::Traits{.paged = false, .recurrent = true},
                                         FakeModel::Traits{.paged = true, .recurrent = true}));

}  // namespace
}  // namespace varve::engine
