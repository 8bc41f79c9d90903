#pragma once
// What the server answers with, shared by all of its requests: the model once it is there, and counters.
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "core/value.h"
#include "engine/engine_thread.h"
#include "http/protocol.h"

namespace varve::http {

/// A model that answers. What it points to outlives the server.
struct Serving {
  ServedModel model;
  const engine::Engine* engine = nullptr;
  engine::EngineThread* thread = nullptr;
  Table settings;  // of the server, without secrets: for /props
};

enum class Phase : uint8_t { loading, ready, stopping };

struct HttpCounters {
  std::atomic<int64_t> connections{0};  // open now
  std::atomic<int64_t> connections_total{0};
  std::atomic<int64_t> connections_refused{0};
  std::atomic<int64_t> in_flight{0};  // requests that are being read or answered
  std::atomic<int64_t> clients_gone{0};
  std::atomic<int64_t> clients_slow{0};
  std::atomic<int64_t> bytes_sent{0};

  void count(int status);
  std::map<int, int64_t> by_status() const;

 private:
  mutable std::mutex mutex_;
  std::map<int, int64_t> by_status_;
};

class Service {
 public:
  Phase phase() const { return phase_.load(std::memory_order_acquire); }
  /// Null while the model loads.
  const Serving* serving() const { return serving_.load(std::memory_order_acquire); }
  HttpCounters& counters() { return counters_; }
  const HttpCounters& counters() const { return counters_; }

  /// Once; `serving` outlives the service's use.
  void ready(const Serving* serving);
  void stopping() { phase_.store(Phase::stopping, std::memory_order_release); }

 private:
  std::atomic<Phase> phase_{Phase::loading};
  std::atomic<const Serving*> serving_{nullptr};
  HttpCounters counters_;
};

/// Why nothing can be answered now, where nothing can.
std::optional<Failure> unavailable(const Service& service);

}  // namespace varve::http
