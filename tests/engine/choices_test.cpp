// Several answers to one prompt: the same as separate requests, of one computation.
#include <gtest/gtest.h>

#include <map>

#include "engine/engine.h"
#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using test::Answer;
using test::FakeModel;
using test::make_engine;
using test::random_prompt;

/// Answers by choice, and that each begins and ends once.
class Choices {
 public:
  Sink sink() {
    return [this](Event event) {
      const int32_t choice = std::visit([](const auto& e) { return e.choice; }, event);
      Answer& answer = answers_[choice];
      if (std::holds_alternative<StartEvent>(event)) {
        EXPECT_TRUE(answer.events.empty());
        ++starts_[choice];
      }
      test::collect(answer)(std::move(event));
    };
  }
  Answer& operator[](int32_t choice) { return answers_.at(choice); }
  size_t count() const { return answers_.size(); }
  int starts() const {
    int all = 0;
    for (const auto& [choice, starts] : starts_) {
      EXPECT_EQ(starts, 1);
      all += starts;
    }
    return all;
  }

 private:
  std::map<int32_t, Answer> answers_;
  std::map<int32_t, int> starts_;
};

void expect_nothing_held(const Engine& engine) {
  const Engine::Stats stats = engine.stats();
  EXPECT_EQ(stats.waiting + stats.running, 0);
  EXPECT_EQ(stats.pages_held, stats.prefix.pages);
  EXPECT_EQ(stats.pages_promised, 0);
}

Request drawn(std::vector<int32_t> prompt, int64_t count, uint64_t seed, int32_t choices) {
  Request request = test::greedy(std::move(prompt), count);
  request.sampling = {.temperature = 0.9, .top_p = 0.95, .repetition_penalty = 1.1, .seed = seed};
  request.choices = choices;
  return request;
}

struct Shape {
  bool recurrent;
  int64_t prompt;
};

class ChoicesOf : public testing::TestWithParam<Shape> {};

TEST_P(ChoicesOf, AreThoseOfSeparateRequests) {
  FakeModel model({.recurrent = GetParam().recurrent});
  auto engine =
      make_engine(model, {.memory = {.cache_bytes = 100'000, .max_sequences = 8}, .step_tokens = 20});
  const auto prompt = random_prompt(7, GetParam().prompt);
  Choices choices, alone;
  Answer other;
  ASSERT_TRUE(engine->submit(test::greedy(random_prompt(8, 33), 40), test::collect(other)).ok());
  ASSERT_TRUE(engine->submit(drawn(prompt, 30, 100, 5), choices.sink()).ok());
  engine->run();
  // The prompts once; of each answer all but the last.
  EXPECT_EQ(model.rows_computed, 33 + 39 + GetParam().prompt + 5 * 29);
  EXPECT_EQ(choices.starts(), 5);
  ASSERT_EQ(choices.count(), 5u);
  for (int32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(
        choices[i].ids,
        test::expected(model, prompt, drawn(prompt, 30, 100 + static_cast<uint64_t>(i), 1).sampling, 30));
    EXPECT_EQ(choices[i].finish().seed, 100u + static_cast<uint64_t>(i));
    EXPECT_EQ(choices[i].finish().usage.prompt_tokens, GetParam().prompt);
    EXPECT_EQ(choices[i].finish().usage.completion_tokens, 30);
  }
  EXPECT_NE(choices[0].ids, choices[1].ids);
  expect_nothing_held(*engine);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ChoicesOf,
                         testing::Values(Shape{false, 1}, Shape{false, 16}, Shape{false, 45}, Shape{true, 45},
                                         Shape{true, 64}));

TEST(ChoicesTest, EndAtTheirOwnTimesAndWithoutAStream) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000}});
  const auto prompt = random_prompt(3, 20);
  Request request = drawn(prompt, 200, 5, 4);
  request.limits.stop_ids = {1, 2, 3, 4, 5, 6, 7};
  request.stream = false;
  Choices choices;
  ASSERT_TRUE(engine->submit(request, choices.sink()).ok());
  engine->run();
  size_t different = 0;
  for (int32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(choices[i].events.size(), 1u);
    auto whole =
        test::expected(model, prompt, drawn(prompt, 1, 5 + static_cast<uint64_t>(i), 1).sampling, 200);
    const auto stop = std::find_if(whole.begin(), whole.end(), [](int32_t id) { return id >= 1 && id <= 7; });
    if (stop != whole.end()) whole.erase(stop + 1, whole.end());
    EXPECT_EQ(choices[i].ids, whole);
    different += whole.size() != choices[0].ids.size();
  }
  EXPECT_GT(different, 0u);
  expect_nothing_held(*engine);
}

TEST(ChoicesTest, StartTogetherOrNotAtAll) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000, .max_sequences = 4}});
  Answer first;
  Choices choices;
  ASSERT_TRUE(engine->submit(test::greedy(random_prompt(1, 10), 20), test::collect(first)).ok());
  ASSERT_TRUE(engine->submit(drawn(random_prompt(2, 10), 20, 1, 4), choices.sink()).ok());
  engine->run_step();
  EXPECT_EQ(engine->stats().running, 1);
  EXPECT_EQ(engine->stats().waiting, 1);
  EXPECT_EQ(choices.count(), 0u);
  engine->run();
  EXPECT_EQ(choices.starts(), 4);
  for (int32_t i = 0; i < 4; ++i) EXPECT_EQ(choices[i].ids.size(), 20u);
  expect_nothing_held(*engine);
}

TEST(ChoicesTest, CancelEndsAllOfThemWhereverTheyAre) {
  FakeModel model;
  auto engine =
      make_engine(model, {.memory = {.cache_bytes = 100'000, .max_sequences = 4}, .step_tokens = 16});
  for (const int steps : {0, 1, 3, 10}) {
    Choices choices;
    const auto id = engine->submit(drawn(random_prompt(2, 40), 50, 1, 3), choices.sink());
    for (int i = 0; i < steps; ++i) engine->run_step();
    EXPECT_TRUE(engine->cancel(id.value()));
    EXPECT_FALSE(engine->cancel(id.value()));
    ASSERT_EQ(choices.count(), 3u);
    for (int32_t i = 0; i < 3; ++i) {
      EXPECT_EQ(choices[i].finish().reason, FinishReason::cancelled);
      EXPECT_EQ(choices[i].finish().choice, i);
      EXPECT_EQ(choices[i].ids.empty(), steps < 3);
    }
    EXPECT_EQ(choices.starts(), steps == 0 ? 0 : 3);
    expect_nothing_held(*engine);
  }
}

TEST(ChoicesTest, CancelFromInsideTheFirstToken) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000}});
  Choices choices;
  RequestId id = 0;
  auto inner = choices.sink();
  id = engine
           ->submit(drawn(random_prompt(2, 40), 50, 1, 3),
                    [&](Event event) {
                      const bool token = std::holds_alternative<AnswerEvent>(event);
                      inner(std::move(event));
                      if (token) engine->cancel(id);
                    })
           .value();
  engine->run();
  for (int32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(choices[i].finish().reason, FinishReason::cancelled);
    EXPECT_EQ(choices[i].ids.size(), i == 0 ? 1u : 0u);
  }
  expect_nothing_held(*engine);
}

TEST(ChoicesTest, WhatCanNeverStartIsRefused) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.context = 128, .cache_bytes = 128 * 16, .max_sequences = 4}});
  const auto refusal = [&](Request request) {
    const auto made = engine->prepare(std::move(request));
    return made.ok() ? std::string() : made.error().field + ": " + made.error().message;
  };
  EXPECT_EQ(refusal(drawn({1}, 5, 1, 0)).substr(0, 8), "choices:");
  EXPECT_EQ(refusal(drawn({1}, 5, 1, 17)).substr(0, 8), "choices:");
  EXPECT_EQ(refusal(drawn({1}, 5, 1, 5)), "choices: 5 choices, but at most 4 answers run at once");
  const auto pages = engine->stats().pages;
  ASSERT_LT(pages, 32);  // not enough for four answers as long as the context
  EXPECT_NE(refusal(drawn({1}, 1000, 1, 4)), "");
  // As many as fit do run.
  const int64_t most = (pages / 4) * 16;
  EXPECT_EQ(refusal(drawn({1}, most, 1, 4)), "");
  Choices choices;
  ASSERT_TRUE(engine->submit(drawn({1}, most, 1, 4), choices.sink()).ok());
  engine->run();
  EXPECT_EQ(choices[3].ids.size(), static_cast<size_t>(most));
  expect_nothing_held(*engine);
}

}  // namespace
}  // namespace varve::engine
