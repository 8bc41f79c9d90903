// Design rule 5 on the engine's level: chunk sizes and batches do not change any answer.
#include <gtest/gtest.h>

#include <tuple>

#include "engine/engine.h"
#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using test::Answer;
using test::collect;
using test::FakeModel;
using test::random_prompt;

Request varied_request(size_t i) {
  Request request = test::greedy(random_prompt(i, static_cast<int64_t>(1 + (i * 37) % 150)),
                                 static_cast<int64_t>(5 + (i * 11) % 40));
  if (i % 3 == 0) return request;
  request.sampling.temperature = 0.5 + 0.1 * static_cast<double>(i);
  request.sampling.seed = i * 1000;
  if (i % 3 == 2) {
    request.sampling.top_p = 0.9;
    request.sampling.presence_penalty = 0.5;
  }
  return request;
}

class OneAnswer : public testing::TestWithParam<std::tuple<int64_t, int64_t, FakeModel::Traits>> {};

TEST_P(OneAnswer, WhateverTheChunksAndTheBatch) {
  const auto [chunk, batch, traits] = GetParam();
  FakeModel model(traits);
  auto engine = test::make_engine(model, {.memory = {.cache_bytes = 1'000'000, .max_sequences = batch},
                                          .step_tokens = std::max(chunk, batch)});
  std::vector<Answer> answers(20);
  for (size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(engine->submit(varied_request(i), collect(answers[i])).ok());
    if (i % 4 == 3) engine->run_step();  // some join later
  }
  engine->run();
  for (size_t i = 0; i < answers.size(); ++i) {
    const Request request = varied_request(i);
    const auto& prompt = std::get<IdsPrompt>(request.prompt).ids;
    EXPECT_EQ(answers[i].ids, test::expected(model, prompt, request.sampling, *request.limits.max_tokens))
        << "request " << i;
  }
  EXPECT_EQ(engine->stats().pages_held, engine->stats().prefix.pages);
  EXPECT_EQ(engine->stats().pages_promised, 0);
}

constexpr FakeModel::Traits kPaged{};
constexpr FakeModel::Traits kRecurrent{.paged = false, .recurrent = true};
constexpr FakeModel::Traits kHybrid{.paged = true, .recurrent = true};

INSTANTIATE_TEST_SUITE_P(ChunksAndBatches, OneAnswer,
                         testing::Combine(testing::Values(1, 7, 64, 4096),
                                          testing::Values(1, 2, 3, 5, 8, 13, 16),
                                          testing::Values(kPaged, kRecurrent, kHybrid)));

}  // namespace
}  // namespace varve::engine
