#pragma once
// A server in this process: the fake model behind an engine thread, made as slow as a test wants, and a
// protocol of the tests' own, with one route that asks the model and all of the real ones.
//
//   POST /ask {"pad": blanks in the line of each token, "prompt": 5, "max_tokens": 3, "stream": true,
//   "choices": 1, "requests": 1}
//     `prompt`: how many tokens. A stream: "data: start C\n\n", "data: token C ID\n\n", "data: end C
//     REASON\n\n", and once "data: done\n\n", or "data: broken STATUS\n\n" in its place. Otherwise the ids of
//     all choices, a line each.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine_thread.h"
#include "engine/fake_model.h"
#include "http/client.h"
#include "http/server.h"

namespace varve::test {

/// The fake model, each step of which takes `microseconds` per row, and at least `step_microseconds`.
class SlowModel final : public nn::Model {
 public:
  explicit SlowModel(const FakeModel::Traits& traits) : model_(traits) {}
  const nn::ModelSpec& spec() const override { return model_.spec(); }
  const nn::StateLayout& state() const override { return model_.state(); }
  int64_t position_class(int64_t limit) const override { return model_.position_class(limit); }
  void forward(const nn::Step& step, ops::Backend& backend, const Output& output) override;
  FakeModel& fake() { return model_; }

  std::atomic<int64_t> step_microseconds{0};
  std::atomic<int64_t> row_microseconds{0};
  std::atomic<float> poison{0.0f};

 private:
  FakeModel model_;
};

struct ServerSetup {
  http::ServerOptions options{.port = 0, .stop_seconds = 5.0};
  std::string keys;  // as VARVE_API_KEYS has them
  engine::QueueLimits queue{};
  int64_t sequences = 4;
  int64_t max_positions = 512;
  bool load = true;  // the model is there from the start
};

class TestServer {
 public:
  explicit TestServer(ServerSetup setup = {});
  ~TestServer();

  int port() const { return server_->port(); }
  http::Server& server() { return *server_; }
  http::ApiKeys& keys() { return keys_; }
  SlowModel& model() { return model_; }
  engine::EngineThread& thread() { return *thread_; }
  void load();
  /// For a server that is not bare HTTP: `ready` asks it.
  void load_over(const std::function<bool()>& ready);
  std::vector<http::RequestRecord> log() const;
  /// Within the time, nothing runs, waits or holds a page any more.
  bool nothing_is_held(std::chrono::milliseconds wait);

 private:
  SlowModel model_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::EngineThread> thread_;
  http::ApiKeys keys_;
  mutable std::mutex mutex_;
  std::vector<http::RequestRecord> log_;
  std::unique_ptr<http::Server> server_;
};

/// The real routes and POST /ask.
const std::vector<http::Route>& test_routes();

/// The body of POST /ask.
std::string question(int prompt, int max_tokens, bool stream, int choices = 1, int requests = 1);

/// How often `word` stands in `text`.
int count_of(const std::string& text, const std::string& word);

/// Looks every few milliseconds until `done` or the time is over.
template <class Done>
bool within(std::chrono::milliseconds wait, const Done& done);

}  // namespace varve::test

#include <thread>

template <class Done>
bool varve::test::within(std::chrono::milliseconds wait, const Done& done) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}
