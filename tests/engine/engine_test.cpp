#include "engine/engine.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using test::Answer;
using test::collect;
using test::FakeModel;
using test::greedy;
using test::make_engine;
using test::random_prompt;

TEST(Engine, AnswersOneRequest) {
  FakeModel model;
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 40);
  Answer answer;
  const auto id = engine->submit(greedy(prompt, 30), collect(answer));
  ASSERT_TRUE(id.ok());
  EXPECT_TRUE(answer.events.empty());  // nothing happens before a step
  engine->run();
  EXPECT_EQ(answer.ids, test::expected(model, prompt, {.temperature = 0.0}, 30));
  EXPECT_EQ(answer.finish().reason, FinishReason::length);
  EXPECT_EQ(answer.finish().usage.prompt_tokens, 40);
  EXPECT_EQ(answer.finish().usage.completion_tokens, 30);
  EXPECT_EQ(answer.finish().usage.cached_tokens, 0);
  EXPECT_EQ(model.rows_computed, 40 + 29);  // the last token is not computed
  EXPECT_EQ(engine->stats().pages_held, 0);
  EXPECT_EQ(engine->stats().pages_promised, 0);
  EXPECT_FALSE(engine->run_step());
}

}  // namespace
}  // namespace varve::engine
