#include "engine/engine_thread.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace varve::engine {

namespace {

/// How long a queue takes to drain, by what the last minute or so of work got done.
class DrainTime {
 public:
  void worked(double seconds) {
    const double keep = std::exp(-seconds / kWindow);
    for (double* sum : {&seconds_, &tokens_, &requests_}) *sum *= keep;
    seconds_ += seconds;
  }
  void tokens(int64_t count) { tokens_ += static_cast<double>(count); }
  void request() { requests_ += 1.0; }
  double estimate(int64_t requests, int64_t tokens) const {
    double wanted = kLeast;
    if (requests_ > 0) wanted = std::max(wanted, static_cast<double>(requests) * seconds_ / requests_);
    if (tokens_ > 0) wanted = std::max(wanted, static_cast<double>(tokens) * seconds_ / tokens_);
    return std::min(wanted, kMost);
  }

 private:
  static constexpr double kWindow = 60.0;
  static constexpr double kLeast = 1.0, kMost = 600.0;
  double seconds_ = 0, tokens_ = 0, requests_ = 0;  // of work; prompts and answers; that ended
};

}  // namespace

struct EngineThread::Shared {
  struct Incoming {
    RequestId id;
    Prepared prepared;
    Sink sink;
  };
  /// A request that has not ended.
  struct Open {
    int64_t prompt_tokens = 0;
    bool waiting = true;
    bool stream = true;
    Clock::time_point submitted;
    int32_t choices = 1;  // that have not ended
    std::vector<Clock::time_point> last_token = {};
    bool failed = false;
    bool cancelled = false;
  };

  Shared(Engine& its_engine, const QueueLimits& its_limits) : engine(its_engine), limits(its_limits) {
    metrics.engine = engine.stats();
  }

  // Any thread.
  std::optional<Busy> refusal(int64_t prompt_tokens);

  // The engine's thread.
  void run();
  bool take_over();
  void tell(RequestId id, const Sink& sink, Event event);
  void count(Open& open, const StartEvent& event);
  void count(Open& open, const AnswerEvent& event);
  void count(Open& open, const FinishEvent& event);
  void count(Open& open, const ErrorEvent& event);
  void leave_queue(Open& open);
  void end_choice(Open& open);

  Engine& engine;
  const QueueLimits limits;

  std::mutex mutex;
  std::condition_variable wake;
  // Under the mutex:
  std::vector<Incoming> incoming;
  std::vector<RequestId> cancels;
  std::unordered_map<RequestId, Open> open;
  Metrics metrics;
  DrainTime drain;
  RequestId last_id = 0;
  int64_t waiting_requests = 0;
  int64_t waiting_tokens = 0;
  bool stopping = false;
  bool ending = false;

  // The engine's thread alone: the engine's own names of what it runs.
  std::unordered_map<RequestId, RequestId> names;
  std::thread thread;
};

std::optional<Busy> EngineThread::Shared::refusal(int64_t prompt_tokens) {
  if (stopping) return Busy{.stopping = true, .message = "the server is stopping and takes no new requests"};
  const double drained = drain.estimate(waiting_requests, waiting_tokens);
  if (waiting_requests >= limits.requests)
    return Busy{.message = fmt::format("{} requests are waiting, as many as may", waiting_requests),
                .retry_after = drained};
  // One alone may be longer than all that may wait: nobody is in its way.
  if (waiting_requests > 0 && waiting_tokens + prompt_tokens > limits.prompt_tokens)
    return Busy{
        .message = fmt::format("prompts of {} tokens are waiting; with this one's {} they would be more "
                               "than the {} that may",
                               waiting_tokens, prompt_tokens, limits.prompt_tokens),
        .retry_after = drained};
  return std::nullopt;
}

void EngineThread::Shared::run() {
  for (;;) {
    if (!take_over()) return;
    const auto begin = Clock::now();
    const bool worked = !names.empty();
    engine.run_step();
    const std::lock_guard lock(mutex);
    if (worked) {
      ++metrics.steps;
      drain.worked(seconds(begin, Clock::now()));
    }
    metrics.engine = engine.stats();
  }
}

/// Waits until there is something to do and hands it to the engine. False when all has ended.
bool EngineThread::Shared::take_over() {
  std::vector<Incoming> fresh;
  std::vector<RequestId> unwanted;
  bool last = false;
  {
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return ending || !names.empty() || !incoming.empty() || !cancels.empty(); });
    fresh.swap(incoming);
    unwanted.swap(cancels);
    last = ending;
  }
  for (Incoming& one : fresh) {
    names[one.id] = engine.submit(
        std::move(one.prepared),
        [this, id = one.id, sink = std::move(one.sink)](Event event) { tell(id, sink, std::move(event)); });
  }
  if (last) {
    unwanted.clear();
    for (const auto& [id, name] : names) unwanted.push_back(id);
  }
  for (const RequestId id : unwanted)
    if (const auto found = names.find(id); found != names.end()) engine.cancel(found->second);
  if (!last) return true;
  const std::lock_guard lock(mutex);
  metrics.engine = engine.stats();
  return false;
}

void EngineThread::Shared::tell(RequestId id, const Sink& sink, Event event) {
  bool ended = false;
  {
    const std::lock_guard lock(mutex);
    Open& one = open.at(id);
    std::visit([&](const auto& counted) { count(one, counted); }, event);
    ended = one.choices == 0;
  }
  if (ended) names.erase(id);
  sink(std::move(event));
  if (!ended) return;
  // Only now: who waits until nothing is unfinished may rely on every event having been told.
  const std::lock_guard lock(mutex);
  open.erase(id);
}

void EngineThread::Shared::leave_queue(Open& one) {
  if (!std::exchange(one.waiting, false)) return;
  --waiting_requests;
  waiting_tokens -= one.prompt_tokens;
}

void EngineThread::Shared::count(Open& one, const StartEvent& event) {
  if (!one.waiting) return;  // another choice of the same prompt
  leave_queue(one);
  metrics.queue.add(seconds(one.submitted, Clock::now()));
  metrics.prompt_tokens += event.usage.prompt_tokens;
  metrics.cached_tokens += event.usage.cached_tokens;
  drain.tokens(event.usage.prompt_tokens - event.usage.cached_tokens);
}

void EngineThread::Shared::count(Open& one, const AnswerEvent& event) {
  const auto tokens = static_cast<int64_t>(event.tokens.size());
  metrics.completion_tokens += tokens;
  drain.tokens(tokens);
  if (!one.stream || tokens == 0) return;
  const auto now = Clock::now();
  Clock::time_point& last = one.last_token[static_cast<size_t>(event.choice)];
  if (last == Clock::time_point{}) {
    metrics.first_token.add(seconds(one.submitted, now));
  } else {
    metrics.inter_token.add(seconds(last, now));
  }
  last = now;
}

void EngineThread::Shared::count(Open& one, const FinishEvent& event) {
  if (event.reason == FinishReason::cancelled) one.cancelled = true;
  // Without a stream the tokens all come at once, so the pace is what the engine says it was.
  const int64_t tokens = event.usage.completion_tokens;
  if (!one.stream && tokens > 0) {
    metrics.first_token.add(event.timings.queued + event.timings.prompt);
    if (tokens > 1)
      metrics.inter_token.add(event.timings.decode / static_cast<double>(tokens - 1), tokens - 1);
  }
  end_choice(one);
}

void EngineThread::Shared::count(Open& one, const ErrorEvent&) {
  one.failed = true;
  end_choice(one);
}

void EngineThread::Shared::end_choice(Open& one) {
  leave_queue(one);
  if (--one.choices > 0) return;
  ++(one.failed ? metrics.failed : one.cancelled ? metrics.cancelled : metrics.finished);
  drain.request();
}

EngineThread::EngineThread(Engine& engine, const QueueLimits& limits)
    : shared_(std::make_unique<Shared>(engine, limits)) {
  shared_->thread = std::thread([shared = shared_.get()] { shared->run(); });
}

EngineThread::~EngineThread() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
    shared_->ending = true;
  }
  shared_->wake.notify_one();
  shared_->thread.join();
}

std::variant<RequestId, Busy> EngineThread::submit(Prepared prepared, Sink sink) {
  const auto tokens = static_cast<int64_t>(prepared.ids.size());
  RequestId id = 0;
  {
    const std::lock_guard lock(shared_->mutex);
    if (auto busy = shared_->refusal(tokens)) {
      ++shared_->metrics.refused;
      return *busy;
    }
    id = ++shared_->last_id;
    prepared.submitted = Clock::now();
    const int32_t choices = prepared.request.choices;
    shared_->open[id] = {.prompt_tokens = tokens,
                         .stream = prepared.request.stream,
                         .submitted = prepared.submitted,
                         .choices = choices,
                         .last_token = std::vector<Clock::time_point>(static_cast<size_t>(choices))};
    ++shared_->metrics.requests;
    ++shared_->waiting_requests;
    shared_->waiting_tokens += tokens;
    shared_->incoming.push_back({.id = id, .prepared = std::move(prepared), .sink = std::move(sink)});
  }
  shared_->wake.notify_one();
  return id;
}

void EngineThread::cancel(RequestId id) {
  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->open.contains(id)) return;
    shared_->cancels.push_back(id);
  }
  shared_->wake.notify_one();
}

Metrics EngineThread::metrics() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->metrics;
}

void EngineThread::stop_taking() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stopping = true;
}

int64_t EngineThread::unfinished() const {
  const std::lock_guard lock(shared_->mutex);
  return static_cast<int64_t>(shared_->open.size());
}

}  // namespace varve::engine
