#pragma once
// What the benchmarks of kernels measure with.
#include <algorithm>
#include <ctime>
#include <vector>

namespace varve::bench {

/// Of the wall, but of the processor where one thread works alone and foreign load can be left out.
inline double seconds_now(int threads) {
  timespec time{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace varve::bench
