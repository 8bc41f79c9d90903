// Cancellation, in every state a request can be in, and what is left afterwards.
#include <gtest/gtest.h>

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

TEST(Cancel, InTheQueueInThePromptAndInTheAnswer) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.max_sequences = 2}, .step_tokens = 10});
  Answer answering, prompting, queued;
  const auto a = engine->submit(greedy(random_prompt(1, 5), 100), collect(answering));
  const auto b = engine->submit(greedy(random_prompt(2, 200), 10), collect(prompting));
  const auto c = engine->submit(greedy(random_prompt(3, 5), 10), collect(queued));
  ASSERT_TRUE(a && b && c);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(engine->run_step());
  EXPECT_EQ(engine->stats().running, 2);
  EXPECT_EQ(engine->stats().waiting, 1);
  EXPECT_FALSE(answering.ids.empty());
  EXPECT_TRUE(prompting.ids.empty());

  EXPECT_TRUE(engine->cancel(c.value()));
  EXPECT_EQ(queued.finish().reason, FinishReason::cancelled);
  EXPECT_EQ(queued.finish().usage.completion_tokens, 0);
  EXPECT_TRUE(engine->cancel(b.value()));
  EXPECT_EQ(prompting.finish().reason, FinishReason::cancelled);
  engine->forget();
  EXPECT_LE(engine->stats().pages_held, 2);
  EXPECT_TRUE(engine->cancel(a.value()));
  EXPECT_EQ(answering.finish().reason, FinishReason::cancelled);
  EXPECT_EQ(answering.finish().usage.completion_tokens, static_cast<int64_t>(answering.ids.size()));
  engine->forget();
  EXPECT_EQ(engine->stats().pages_held, 0);
  EXPECT_EQ(engine->stats().pages_promised, 0);
  EXPECT_FALSE(engine->cancel(a.value()));
  EXPECT_FALSE(engine->cancel(12345));
  EXPECT_FALSE(engine->run_step());
}

TEST(Cancel, NobodyElseIsTouched) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000}});
  std::vector<Answer> answers(8);
  std::vector<RequestId> ids;
  for (size_t i = 0; i < answers.size(); ++i)
    ids.push_back(engine->submit(greedy(random_prompt(i, 20), 60), collect(answers[i])).value());
  for (int i = 0; i < 10; ++i) engine->run_step();
  for (size_t i = 0; i < answers.size(); i += 2) EXPECT_TRUE(engine->cancel(ids[i]));
  engine->run();
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto whole = test::expected(model, random_prompt(i, 20), {.temperature = 0.0}, 60);
    ASSERT_LE(answers[i].ids.size(), whole.size());
    EXPECT_TRUE(std::equal(answers[i].ids.begin(), answers[i].ids.end(), whole.begin()));
    EXPECT_EQ(answers[i].ids.size() == whole.size(), i % 2 == 1);
  }
}

/// What was not computed is not remembered either, however far the request had come.
TEST(Cancel, RemembersWhatWasComputedAlone) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.max_sequences = 2}, .step_tokens = 10});
  for (const int steps : {0, 1, 3}) {  // 0: it is cancelled as soon as it has started
    Request request = greedy(random_prompt(4, 100), 5);
    request.choices = 2;
    std::vector<Answer> answers(2);
    RequestId id = 0;
    id = engine
             ->submit(request,
                      [&](Event event) {
                        if (std::holds_alternative<StartEvent>(event) && steps == 0) engine->cancel(id);
                        const auto choice = std::visit([](const auto& one) { return one.choice; }, event);
                        collect(answers[static_cast<size_t>(choice)])(std::move(event));
                      })
             .value();
    for (int i = 0; i < steps; ++i) engine->run_step();
    if (steps == 0)
      engine->run_step();
    else
      engine->cancel(id);
    EXPECT_EQ(answers[0].finish().usage.remembered_tokens, 10 * steps);
    EXPECT_EQ(answers[1].finish().usage.remembered_tokens, 0);
    engine->forget();
  }
}

/// A receiver may cancel any request, its own too, and submit new ones.
TEST(Cancel, FromInsideAnEvent) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000}});
  Answer self, other, later;
  RequestId self_id = 0, other_id = 0;
  bool done = false;
  self_id = engine
                ->submit(greedy(random_prompt(1, 5), 50),
                         [&](Event event) {
                           collect(self)(std::move(event));
                           if (self.ids.size() < 3 || done) return;
                           done = true;
                           EXPECT_TRUE(engine->cancel(other_id));
                           EXPECT_FALSE(engine->cancel(other_id));
                           EXPECT_TRUE(engine->cancel(self_id));
                           EXPECT_TRUE(engine->submit(greedy(random_prompt(2, 5), 4), collect(later)).ok());
                         })
                .value();
  other_id = engine->submit(greedy(random_prompt(3, 5), 50), collect(other)).value();
  engine->run();
  EXPECT_EQ(self.finish().reason, FinishReason::cancelled);
  EXPECT_EQ(self.ids.size(), 3u);
  EXPECT_EQ(other.finish().reason, FinishReason::cancelled);
  EXPECT_EQ(other.ids.size(), 2u);  // not even this step's token any more
  EXPECT_EQ(later.ids.size(), 4u);
  engine->forget();
  EXPECT_EQ(engine->stats().pages_held, 0);
}

}  // namespace
}  // namespace varve::engine
