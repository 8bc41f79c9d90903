#pragma once
// The thread that owns an engine while it serves many clients: requests go in from any thread, and an event's
// sink is called on this one. It sleeps while there is nothing to do.
#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "engine/engine.h"
#include "engine/metrics.h"

namespace varve::engine {

struct QueueLimits {
  int64_t requests = 256;           // that wait at most
  int64_t prompt_tokens = 1 << 20;  // of those that wait
};

/// Why a request was not taken, and when to try again.
struct Busy {
  bool stopping = false;  // no new work is taken any more; otherwise the queue is full
  std::string message;
  double retry_after = 1.0;  // seconds: about when the queue will have drained
};

class EngineThread {
 public:
  /// `engine` outlives it.
  EngineThread(Engine& engine, const QueueLimits& limits);
  /// Cancels what still runs and joins.
  ~EngineThread();

  /// Any thread, sinks included. The sink must neither block nor throw; it may call cancel() and submit().
  std::variant<RequestId, Busy> submit(Prepared prepared, Sink sink);
  /// Any thread, sinks included: takes effect after the step that runs. Nothing happens when the request has
  /// ended.
  void cancel(RequestId id);
  /// Any thread: a copy of the counters, taken between steps.
  Metrics metrics() const;
  /// From now on no new work is taken.
  void stop_taking();
  /// Requests that have not ended. 0: every event has been told.
  int64_t unfinished() const;

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

}  // namespace varve::engine
