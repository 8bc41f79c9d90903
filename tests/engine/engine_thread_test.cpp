// Many clients and one engine: what is told, what is counted, what is left.
#include "engine/engine_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using test::FakeModel;
using test::greedy;
using test::make_engine;
using test::random_prompt;

/// What one client sees of one request. Events come from the engine's thread.
class Client {
 public:
  Sink sink() {
    return [this](Event event) {
      const std::lock_guard lock(mutex_);
      EXPECT_FALSE(ended_) << "an event after the end";
      if (std::holds_alternative<StartEvent>(event)) {
        EXPECT_FALSE(started_);
        EXPECT_TRUE(ids_.empty());
        started_ = true;
      } else if (auto* answer = std::get_if<AnswerEvent>(&event)) {
        EXPECT_TRUE(started_);
        for (const SampledToken& token : answer->tokens) ids_.push_back(token.id);
        if (cancel_after_ > 0 && static_cast<int64_t>(ids_.size()) >= cancel_after_) thread_->cancel(id_);
      } else {
        ended_ = true;
        if (auto* finish = std::get_if<FinishEvent>(&event)) finish_ = *finish;
      }
      changed_.notify_all();
    };
  }
  /// From inside the sink. Before submit().
  void cancel_after(EngineThread& thread, int64_t tokens) {
    thread_ = &thread;
    cancel_after_ = tokens;
  }
  void set_id(RequestId id) {
    const std::lock_guard lock(mutex_);
    id_ = id;
  }
  FinishEvent wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
    return finish_;
  }
  void wait_for_tokens(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || ids_.size() >= count; });
  }
  std::vector<int32_t> ids() {
    const std::lock_guard lock(mutex_);
    return ids_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int32_t> ids_;
  bool started_ = false;
  bool ended_ = false;
  FinishEvent finish_;
  EngineThread* thread_ = nullptr;
  int64_t cancel_after_ = 0;
  RequestId id_ = 0;
};

RequestId taken(const std::variant<RequestId, Busy>& outcome) {
  if (const auto* busy = std::get_if<Busy>(&outcome)) {
    ADD_FAILURE() << busy->message;
    return 0;
  }
  return std::get<RequestId>(outcome);
}

Prepared prepared(const Engine& engine, Request request) {
  auto made = engine.prepare(std::move(request));
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(made.value());
}

void expect_nothing_held(const Engine& engine) {
  const Engine::Stats stats = engine.stats();
  EXPECT_EQ(stats.waiting, 0);
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.pages_held, stats.prefix.pages);
  EXPECT_EQ(stats.pages_promised, 0);
}

/// Until `condition` holds; fails after many seconds.
template <class Condition>
void eventually(const Condition& condition) {
  for (int i = 0; i < 20'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(condition());
}

TEST(EngineThread, AnswersAreThoseOfTheEngine) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000}});
  EngineThread thread(*engine, {});
  std::vector<Client> clients(20);
  for (size_t i = 0; i < clients.size(); ++i) {
    auto prepared = engine->prepare(greedy(random_prompt(i, 30), 25));
    ASSERT_TRUE(prepared.ok());
    taken(thread.submit(std::move(prepared.value()), clients[i].sink()));
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    EXPECT_EQ(clients[i].wait().reason, FinishReason::length);
    EXPECT_EQ(clients[i].ids(), test::expected(model, random_prompt(i, 30), {.temperature = 0.0}, 25));
  }
  eventually([&] { return thread.unfinished() == 0; });
  const Metrics metrics = thread.metrics();
  EXPECT_EQ(metrics.requests, 20);
  EXPECT_EQ(metrics.finished, 20);
  EXPECT_EQ(metrics.refused + metrics.cancelled + metrics.failed, 0);
  EXPECT_EQ(metrics.prompt_tokens, 600);
  EXPECT_EQ(metrics.completion_tokens, 500);
  EXPECT_EQ(metrics.queue.count(), 20);
  EXPECT_EQ(metrics.first_token.count(), 20);
  EXPECT_EQ(metrics.inter_token.count(), 480);
  EXPECT_GT(metrics.steps, 25);
}

TEST(EngineThread, WithoutAStreamThePaceIsCountedAsWell) {
  FakeModel model;
  auto engine = make_engine(model, {});
  EngineThread thread(*engine, {});
  Request request = greedy({1, 2, 3}, 7);
  request.stream = false;
  Client client;
  taken(thread.submit(prepared(*engine, request), client.sink()));
  client.wait();
  EXPECT_EQ(client.ids().size(), 7u);
  const Metrics metrics = thread.metrics();
  EXPECT_EQ(metrics.first_token.count(), 1);
  EXPECT_EQ(metrics.inter_token.count(), 6);
}

TEST(EngineThread, CancelFromAnyThreadAndFromTheSink) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.cache_bytes = 100'000}});
  EngineThread thread(*engine, {});
  Client mine, from_sink, other;
  // Slow enough that its cancelling comes before its end, however busy the machine is.
  const auto slow = [sink = mine.sink()](Event event) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    sink(std::move(event));
  };
  const RequestId id = taken(thread.submit(prepared(*engine, greedy({1}, 400)), slow));
  thread.cancel(id);
  EXPECT_EQ(mine.wait().reason, FinishReason::cancelled);
  thread.cancel(id);     // it has ended
  thread.cancel(12345);  // it never was

  from_sink.cancel_after(thread, 1);
  from_sink.set_id(2);  // ids count from 1
  EXPECT_EQ(taken(thread.submit(prepared(*engine, greedy({2}, 500)), from_sink.sink())), 2u);
  taken(thread.submit(prepared(*engine, greedy({3}, 300)), other.sink()));
  EXPECT_EQ(from_sink.wait().reason, FinishReason::cancelled);
  EXPECT_LT(from_sink.ids().size(), 5u);
  EXPECT_EQ(other.wait().reason, FinishReason::length);
  EXPECT_EQ(other.ids(), test::expected(model, {3}, {.temperature = 0.0}, 300));
}

TEST(EngineThread, AFullQueueRefusesWithAnEstimate) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.max_sequences = 1}});
  EngineThread thread(*engine, {.requests = 3, .prompt_tokens = 100});
  Client running;
  const RequestId first = taken(thread.submit(prepared(*engine, greedy({1}, 500)), running.sink()));
  running.wait_for_tokens(1);
  std::vector<Client> waiting(3);
  const auto submit = [&](int64_t length, Client& client) {
    return thread.submit(prepared(*engine, greedy(random_prompt(1, length), 500)), client.sink());
  };
  Client refused;
  const auto keeps_running = [&] { return thread.metrics().engine.running == 1; };
  taken(submit(60, waiting[0]));
  const auto long_one = submit(41, refused);
  if (keeps_running()) {
    ASSERT_TRUE(std::holds_alternative<Busy>(long_one));
    EXPECT_FALSE(std::get<Busy>(long_one).stopping);
    EXPECT_NE(std::get<Busy>(long_one).message.find("60 tokens"), std::string::npos);
  }
  taken(submit(20, waiting[1]));
  taken(submit(20, waiting[2]));
  const auto fourth = submit(1, refused);
  ASSERT_TRUE(std::holds_alternative<Busy>(fourth));
  EXPECT_GE(std::get<Busy>(fourth).retry_after, 1.0);
  EXPECT_LE(std::get<Busy>(fourth).retry_after, 600.0);
  EXPECT_GE(thread.metrics().refused, 1);
  thread.cancel(first);
  for (Client& client : waiting) client.wait();
  taken(submit(1, refused));  // there is room again
  refused.wait();
}

TEST(EngineThread, StopTakingLetsTheRestFinish) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.max_sequences = 2}});
  EngineThread thread(*engine, {});
  std::vector<Client> clients(5);
  for (Client& client : clients) taken(thread.submit(prepared(*engine, greedy({1, 2}, 40)), client.sink()));
  thread.stop_taking();
  Client late;
  const auto outcome = thread.submit(prepared(*engine, greedy({1}, 1)), late.sink());
  ASSERT_TRUE(std::holds_alternative<Busy>(outcome));
  EXPECT_TRUE(std::get<Busy>(outcome).stopping);
  for (Client& client : clients) EXPECT_EQ(client.wait().reason, FinishReason::length);
  eventually([&] { return thread.unfinished() == 0; });
}

TEST(EngineThread, ItsEndCancelsWhatWaitsAndWhatRuns) {
  FakeModel model;
  auto engine = make_engine(model, {.memory = {.max_sequences = 2}});
  std::vector<Client> clients(200);
  {
    EngineThread thread(*engine, {});
    for (Client& client : clients)
      taken(thread.submit(prepared(*engine, greedy({5, 6}, 500)), client.sink()));
    clients[0].wait_for_tokens(3);
  }
  int64_t cancelled = 0;
  for (Client& client : clients) cancelled += client.wait().reason == FinishReason::cancelled;
  EXPECT_GE(cancelled, 50);
  expect_nothing_held(*engine);
}

/// Clients come, read for a while and go, some before they are heard and some from inside an event.
TEST(EngineThread, NothingIsHeldAfterThousandsOfDisconnects) {
  FakeModel model;
  auto engine =
      make_engine(model, {.memory = {.cache_bytes = 200'000, .max_sequences = 8}, .step_tokens = 32});
  constexpr int kThreads = 8, kRounds = 250;
  std::atomic<int64_t> done{0}, wrong{0}, cancelled{0};
  EngineThread thread(*engine, {});
  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      for (int i = 0; i < kRounds; ++i) {
        const auto prompt = random_prompt(random(), 1 + static_cast<int64_t>(random() % 60));
        Request request = greedy(prompt, 1 + static_cast<int64_t>(random() % 20));
        request.stream = random() % 4 != 0;
        Client client;
        const uint64_t kind = random() % 4;
        const int64_t wanted = *request.limits.max_tokens;
        const auto outcome = thread.submit(prepared(*engine, std::move(request)), client.sink());
        const RequestId id = taken(outcome);
        if (kind == 1) thread.cancel(id);
        if (kind == 2) {
          client.wait_for_tokens(1 + random() % 5);
          thread.cancel(id);
        }
        const FinishEvent finish = client.wait();
        // What came is a beginning of the right answer, and all of it unless it was cancelled.
        const auto right = test::expected(model, prompt, {.temperature = 0.0}, wanted);
        const auto ids = client.ids();
        if (ids.size() > right.size() || !std::equal(ids.begin(), ids.end(), right.begin())) ++wrong;
        if (finish.reason != FinishReason::cancelled && ids.size() != right.size()) ++wrong;
        if (finish.reason == FinishReason::cancelled) ++cancelled;
        ++done;
      }
    });
  }
  std::thread watcher([&] {
    while (done < kThreads * kRounds) {
      const Metrics metrics = thread.metrics();
      EXPECT_LE(metrics.finished + metrics.cancelled, metrics.requests);
      std::this_thread::yield();
    }
  });
  for (std::thread& client : clients) client.join();
  watcher.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(cancelled, 100);
  eventually([&] { return thread.unfinished() == 0; });
  eventually([&] { return thread.metrics().engine.running == 0; });
  const Metrics metrics = thread.metrics();
  EXPECT_EQ(metrics.requests, kThreads * kRounds);
  EXPECT_EQ(metrics.finished + metrics.cancelled, kThreads * kRounds);
  EXPECT_EQ(metrics.cancelled, cancelled);
  EXPECT_EQ(metrics.engine.waiting, 0);
  EXPECT_EQ(metrics.engine.pages_held, metrics.engine.prefix.pages);
  EXPECT_EQ(metrics.engine.pages_promised, 0);
}

}  // namespace
}  // namespace varve::engine
