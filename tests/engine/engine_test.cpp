// One request: what it is answered, what is refused, how it ends.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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

void expect_empty(const Engine& engine) {
  const Engine::Stats stats = engine.stats();
  EXPECT_EQ(stats.waiting, 0);
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.pages_held, stats.prefix.pages);
  EXPECT_EQ(stats.pages_promised, 0);
}

/// One token per byte of "abc...".
std::vector<std::string> letters() {
  std::vector<std::string> pieces;
  for (int i = 0; i < 97; ++i) pieces.push_back(std::string(1, static_cast<char>('a' + i % 26)));
  return pieces;
}

TEST(Engine, AnswersOneRequest) {
  FakeModel model;
  auto engine = make_engine(model, {});
  const auto prompt = random_prompt(1, 40);
  Answer answer;
  ASSERT_TRUE(engine->submit(greedy(prompt, 30), collect(answer)).ok());
  EXPECT_TRUE(answer.events.empty());  // nothing happens before a step
  engine->run();
  EXPECT_EQ(answer.ids, expected(model, prompt, {.temperature = 0.0}, 30));
  EXPECT_EQ(answer.finish().reason, FinishReason::length);
  EXPECT_EQ(answer.finish().usage.prompt_tokens, 40);
  EXPECT_EQ(answer.finish().usage.completion_tokens, 30);
  EXPECT_EQ(answer.finish().usage.cached_tokens, 0);
  EXPECT_EQ(model.rows_computed, 40 + 29);  // the last token is not computed
  expect_empty(*engine);
  EXPECT_FALSE(engine->run_step());
}

TEST(Engine, WithoutMaxTokensTheContextEndsTheAnswer) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.context = 100}});
  EXPECT_EQ(engine->context(), 100);
  Request request = greedy(random_prompt(2, 60), 1);
  Answer unlimited, beyond;
  request.limits.max_tokens.reset();
  ASSERT_TRUE(engine->submit(request, collect(unlimited)).ok());
  request.limits.max_tokens = 1'000'000'000'000;
  ASSERT_TRUE(engine->submit(request, collect(beyond)).ok());
  engine->run();
  EXPECT_EQ(unlimited.ids.size(), 40u);
  EXPECT_EQ(unlimited.finish().reason, FinishReason::length);
  EXPECT_EQ(beyond.ids, unlimited.ids);
  EXPECT_TRUE(unlimited.finish().context_full);
  EXPECT_TRUE(beyond.finish().context_full);
}

TEST(Engine, TheContextIsFullOnlyWhereItEndedTheAnswer) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.context = 100}});
  Answer exact, cut;
  ASSERT_TRUE(engine->submit(greedy(random_prompt(2, 60), 40), collect(exact)).ok());
  ASSERT_TRUE(engine->submit(greedy(random_prompt(2, 60), 41), collect(cut)).ok());
  engine->run();
  EXPECT_EQ(exact.ids, cut.ids);
  EXPECT_FALSE(exact.finish().context_full);
  EXPECT_TRUE(cut.finish().context_full);
}

TEST(Engine, AStartComesFirstAndWithThePromptsCounts) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.max_sequences = 1}});
  std::vector<std::string> order;
  const auto note = [&](std::string name) {
    return [&order, name = std::move(name)](Event event) {
      if (const auto* start = std::get_if<StartEvent>(&event))
        order.push_back(name + " starts with " + std::to_string(start->usage.prompt_tokens));
      if (std::holds_alternative<AnswerEvent>(event)) order.push_back(name + " answers");
      if (std::holds_alternative<FinishEvent>(event)) order.push_back(name + " ends");
    };
  };
  ASSERT_TRUE(engine->submit(greedy({1, 2, 3}, 2), note("a")).ok());
  const auto waiting = engine->submit(greedy({1, 2}, 1), note("b"));
  ASSERT_TRUE(engine->submit(greedy({1, 2, 3, 4}, 1), note("c")).ok());
  ASSERT_TRUE(engine->run_step());
  EXPECT_TRUE(engine->cancel(waiting.value()));
  engine->run();
  EXPECT_EQ(order, (std::vector<std::string>{"a starts with 3", "a answers", "b ends", "a answers", "a ends",
                                             "c starts with 4", "c answers", "c ends"}));
}

TEST(Engine, ACancelFromAStartLeavesNothingBehind) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.max_sequences = 1}});
  std::vector<FinishReason> ends;
  RequestId first = 0;
  const auto sink = [&](Event event) {
    if (std::holds_alternative<StartEvent>(event)) engine->cancel(first);
    if (const auto* finish = std::get_if<FinishEvent>(&event)) ends.push_back(finish->reason);
  };
  first = engine->submit(greedy({1, 2, 3}, 2), sink).value();
  ASSERT_TRUE(engine->submit(greedy({4, 5}, 2), sink).ok());
  engine->run();
  EXPECT_EQ(ends, (std::vector<FinishReason>{FinishReason::cancelled, FinishReason::length}));
  expect_empty(*engine);
}

TEST(Engine, APromptBeyondTheContextIsRefusedWithBothNumbers) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.context = 64}});
  Answer answer;
  for (const int64_t length : {64, 65, 5000}) {
    const auto id = engine->submit(greedy(random_prompt(3, length), 1), collect(answer));
    ASSERT_FALSE(id.ok());
    EXPECT_EQ(id.error().field, kContextField);
    EXPECT_NE(id.error().message.find(std::to_string(length) + " tokens"), std::string::npos);
    EXPECT_NE(id.error().message.find("holds 64"), std::string::npos);
  }
  ASSERT_TRUE(engine->submit(greedy(random_prompt(3, 63), 5), collect(answer)).ok());
  engine->run();
  EXPECT_EQ(answer.ids.size(), 1u);
}

TEST(Engine, MalformedRequestsAreRefusedByField) {
  FakeModel model;
  const test::FakeCodec codec(letters());
  auto engine = make_engine(model, {}, &codec);
  const auto field_of = [&](const auto& change) {
    Request request = greedy({1, 2, 3}, 4);
    change(request);
    const auto id = engine->submit(std::move(request), [](Event) { ADD_FAILURE(); });
    return id.ok() ? std::string("accepted") : id.error().field;
  };
  EXPECT_EQ(field_of([](Request& r) { r.prompt = IdsPrompt{{}}; }), "prompt");
  EXPECT_EQ(field_of([](Request& r) { r.prompt = IdsPrompt{{1, 97}}; }), "prompt");
  EXPECT_EQ(field_of([](Request& r) { r.prompt = IdsPrompt{{-1}}; }), "prompt");
  EXPECT_EQ(field_of([](Request& r) { r.prompt = text::ChatInput{}; }),
            "messages");  // the codec's own refusal
  EXPECT_EQ(field_of([](Request& r) { r.limits.max_tokens = 0; }), "max_tokens");
  EXPECT_EQ(field_of([](Request& r) { r.limits.max_tokens = -5; }), "max_tokens");
  EXPECT_EQ(field_of([](Request& r) { r.limits.stop = {""}; }), "stop");
  EXPECT_EQ(field_of([](Request& r) { r.limits.stop = {std::string(257, 'x')}; }), "stop");
  EXPECT_EQ(field_of([](Request& r) { r.limits.stop.assign(17, "x"); }), "stop");
  EXPECT_EQ(field_of([](Request& r) { r.limits.stop_ids = {97}; }), "stop_ids");
  EXPECT_EQ(field_of([](Request& r) { r.sampling.temperature = std::nan(""); }), "temperature");
  expect_empty(*engine);

  auto bare = make_engine(model, {});
  Request text = greedy({1}, 1);
  text.prompt = TextPrompt{.text = "hello"};
  EXPECT_EQ(bare->submit(text, [](Event) {}).error().field, "prompt");
  Request stop = greedy({1}, 1);
  stop.limits.stop = {"x"};
  EXPECT_EQ(bare->submit(stop, [](Event) {}).error().field, "stop");
}

TEST(Engine, OptionsThatDoNotGoTogetherAreRefused) {
  FakeModel model({.max_positions = 512});
  const auto field_of = [&](const Engine::Options& options) {
    auto made = Engine::create(model, test::no_backend(), nullptr, options);
    return made.ok() ? std::string("accepted") : made.error().field;
  };
  EXPECT_EQ(field_of({.memory = {.context = 512}}), "accepted");
  EXPECT_EQ(field_of({.memory = {.context = 513}}), "context");
  EXPECT_EQ(field_of({.memory = {.context = 1}}), "context");
  EXPECT_EQ(field_of({.memory = {.context = -1}}), "context");
  EXPECT_EQ(field_of({.memory = {.max_sequences = 0}}), "max_sequences");
  EXPECT_EQ(field_of({.step_tokens = 15}), "step_tokens");
  EXPECT_EQ(field_of({.step_seconds = -1}), "step_seconds");
  EXPECT_EQ(field_of({.step_seconds = std::nan("")}), "step_seconds");
  EXPECT_EQ(field_of({.stop_ids = {97}}), "stop_ids");
  EXPECT_EQ(field_of({.memory = {.cache_bytes = 10}}), "cache_memory");
  // 128 bytes a page: an explicit context must fit, the model's own shrinks.
  EXPECT_EQ(field_of({.memory = {.context = 512, .cache_bytes = 4000}}), "cache_memory");
  auto shrunk = make_engine(model, {.memory = {.cache_bytes = 4000}});
  EXPECT_EQ(shrunk->context(), 31 * 16);
}

TEST(Engine, StopIdsEndAnAnswerAndCount) {
  FakeModel model;
  const auto prompt = random_prompt(4, 10);
  const auto whole = expected(model, prompt, {.temperature = 0.0}, 20);
  for (const bool own : {false, true}) {
    const test::FakeCodec codec(letters());
    auto engine =
        make_engine(model, {.stop_ids = own ? std::vector<int32_t>{} : std::vector{whole[7]}}, &codec);
    Request request = greedy(prompt, 20);
    if (own) request.limits.stop_ids = {whole[7]};
    Answer answer, through;
    ASSERT_TRUE(engine->submit(request, collect(answer)).ok());
    request.limits.ignore_eos = true;  // of the model's own alone
    ASSERT_TRUE(engine->submit(request, collect(through)).ok());
    engine->run();
    const auto first = std::find(whole.begin(), whole.end(), whole[7]) + 1;
    EXPECT_EQ(answer.ids, std::vector<int32_t>(whole.begin(), first));
    EXPECT_EQ(answer.text.size() + 1, answer.ids.size());  // the stop token shows no text
    EXPECT_EQ(answer.finish().reason, FinishReason::stop);
    EXPECT_EQ(answer.finish().stop_id, whole[7]);
    EXPECT_EQ(answer.finish().usage.completion_tokens, static_cast<int64_t>(answer.ids.size()));
    if (own) {
      EXPECT_EQ(through.ids, answer.ids);
      EXPECT_EQ(through.finish().stop_id, whole[7]);
      continue;
    }
    EXPECT_EQ(through.ids, whole);
    EXPECT_EQ(through.finish().reason, FinishReason::length);
    EXPECT_EQ(through.text.size(), 20u);
  }
}

TEST(Engine, StopStringsAcrossTokens) {
  FakeModel model;
  const test::FakeCodec codec(letters());
  auto engine = make_engine(model, {}, &codec);
  Answer whole;
  Request request = greedy(random_prompt(5, 10), 40);
  ASSERT_TRUE(engine->submit(request, collect(whole)).ok());
  engine->run();
  ASSERT_EQ(whole.text.size(), 40u);
  for (size_t at = 0; at < 38; ++at) {
    Answer answer;
    const std::string stop = whole.text.substr(at, 3);
    request.limits.stop = {"0", stop};
    ASSERT_TRUE(engine->submit(request, collect(answer)).ok());
    engine->run();
    const size_t first = whole.text.find(stop);
    EXPECT_EQ(answer.text, whole.text.substr(0, first));
    EXPECT_EQ(answer.ids.size(), first + 3);
    EXPECT_EQ(answer.finish().reason, FinishReason::stop);
    EXPECT_EQ(answer.finish().stop, stop);
    for (const AnswerEvent& event : answer.events) EXPECT_EQ(said(event).find(stop), std::string::npos);
  }
  // Text that was held back comes out when the answer ends otherwise.
  Answer answer;
  request.limits.stop = {whole.text.substr(38) + "0"};
  ASSERT_TRUE(engine->submit(request, collect(answer)).ok());
  engine->run();
  EXPECT_EQ(answer.text, whole.text);
  EXPECT_EQ(answer.finish().reason, FinishReason::length);
  expect_empty(*engine);
}

/// What the detokenizer only gives up at the end counts as well.
TEST(Engine, TheLastTextMayCompleteAStopString) {
  FakeModel model;
  const test::FakeCodec codec(letters(), "END.");
  auto engine = make_engine(model, {}, &codec);
  Request request = greedy(random_prompt(5, 10), 6);
  Answer whole, stopped;
  ASSERT_TRUE(engine->submit(request, collect(whole)).ok());
  request.limits.stop = {"END"};
  ASSERT_TRUE(engine->submit(request, collect(stopped)).ok());
  engine->run();
  EXPECT_EQ(whole.text.substr(6), "END.");
  EXPECT_EQ(whole.finish().reason, FinishReason::length);
  EXPECT_EQ(stopped.text, whole.text.substr(0, 6));
  EXPECT_EQ(stopped.finish().reason, FinishReason::stop);
  EXPECT_EQ(stopped.finish().stop, "END");
}

TEST(Engine, WithoutStreamingTheSameComesInOneEvent) {
  FakeModel model;
  const test::FakeCodec codec(letters());
  auto engine = make_engine(model, {}, &codec);
  Request request = greedy(random_prompt(6, 10), 25);
  request.sampling.top_logprobs = 2;
  Answer streamed, whole;
  ASSERT_TRUE(engine->submit(request, collect(streamed)).ok());
  request.stream = false;
  ASSERT_TRUE(engine->submit(request, collect(whole)).ok());
  engine->run();
  EXPECT_EQ(streamed.events.size(), 25u);
  ASSERT_EQ(whole.events.size(), 1u);
  EXPECT_EQ(whole.text, streamed.text);
  EXPECT_EQ(whole.ids, streamed.ids);
  EXPECT_EQ(whole.events[0].tokens[24].top.size(), 2u);
  EXPECT_EQ(whole.events[0].tokens[24].top[0].id, whole.ids[24]);
}

TEST(Engine, ASeedGivesTheSameAnswerAndIsReported) {
  FakeModel model;
  auto engine = make_engine(model, {});
  Request request = greedy(random_prompt(7, 12), 30);
  request.sampling.temperature = 1.5;
  Answer first, again, other;
  ASSERT_TRUE(engine->submit(request, collect(first)).ok());
  engine->run();
  request.sampling.seed = first.finish().seed;
  ASSERT_TRUE(engine->submit(request, collect(again)).ok());
  request.sampling.seed = first.finish().seed + 1;
  ASSERT_TRUE(engine->submit(request, collect(other)).ok());
  engine->run();
  EXPECT_EQ(first.ids, again.ids);
  EXPECT_NE(first.ids, other.ids);
}

TEST(Engine, PenaltiesSeePromptAndAnswer) {
  FakeModel model;
  auto engine = make_engine(model, {});
  Request request = greedy(random_prompt(8, 30), 60);
  request.sampling = {.temperature = 0.9,
                      .top_k = 30,
                      .repetition_penalty = 1.3,
                      .presence_penalty = 0.7,
                      .frequency_penalty = 0.4,
                      .seed = 99};
  Answer answer;
  ASSERT_TRUE(engine->submit(request, collect(answer)).ok());
  engine->run();
  EXPECT_EQ(answer.ids, expected(model, random_prompt(8, 30), request.sampling, 60));
}

TEST(Engine, UnusableLogitsEndTheRequestNotTheProcess) {
  FakeModel model;
  auto engine = make_engine(model, {});
  Answer answer;
  model.poison = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(engine->submit(greedy({1, 2}, 5), collect(answer)).ok());
  engine->run();
  ASSERT_EQ(answer.errors.size(), 1u);
  EXPECT_NE(answer.errors[0].error.message.find("logits"), std::string::npos);
  expect_empty(*engine);
}

TEST(Engine, TimingsAreFilled) {
  FakeModel model;
  auto engine = make_engine(model, {});
  Answer answer;
  ASSERT_TRUE(engine->submit(greedy(random_prompt(9, 300), 50), collect(answer)).ok());
  engine->run();
  const Timings& timings = answer.finish().timings;
  EXPECT_GE(timings.queued, 0.0);
  EXPECT_GT(timings.prompt, 0.0);
  EXPECT_GT(timings.decode, 0.0);
  EXPECT_LT(timings.queued + timings.prompt + timings.decode, 60.0);
}

}  // namespace
}  // namespace varve::engine
