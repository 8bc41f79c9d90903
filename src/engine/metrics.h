#pragma once
// What an engine thread counts: totals since it began, and how long things took.
#include <array>
#include <cstdint>

#include "engine/engine.h"

namespace varve::engine {

/// Counts of durations by upper bound, as Prometheus has them.
struct Histogram {
  /// Seconds; the last bucket holds what is longer than all.
  static constexpr std::array<double, 16> kBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,  0.25,
                                                  0.5,   1.0,    2.5,   5.0,  10.0,  30.0, 60.0, 120.0};
  std::array<int64_t, kBounds.size() + 1> counts{};
  double sum = 0.0;

  void add(double seconds, int64_t times = 1);
  int64_t count() const;
};

struct Metrics {
  Engine::Stats engine;
  int64_t requests = 0;  // taken
  int64_t refused = 0;   // queue full or stopping
  int64_t finished = 0;  // stop or length
  int64_t cancelled = 0;
  int64_t failed = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t steps = 0;
  Histogram first_token;  // from submit
  Histogram inter_token;  // between two tokens of one answer
  Histogram queue;        // from submit to the first step
};

}  // namespace varve::engine
