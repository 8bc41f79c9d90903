#include "kernels/probe.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/buffer.h"
#include "kernels/linear.h"
#include "kernels/linear_kernels.h"

namespace varve::kernels {

namespace {

constexpr int kRuns = 7;
constexpr double kSeconds = 0.01;  // of one run

template <class Work>
double seconds_of(ThreadPool& pool, const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  pool.run(work);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class Work>
double median_seconds(ThreadPool& pool, const Work& work) {
  std::vector<double> seconds;
  for (int run = 0; run < kRuns; ++run) seconds.push_back(seconds_of(pool, work));
  std::nth_element(seconds.begin(), seconds.begin() + kRuns / 2, seconds.end());
  return seconds[kRuns / 2];
}

/// `operations(iterations)` runs and counts the operations of one thread.
double peak_gops(ThreadPool& pool, int64_t (*operations)(int64_t iterations)) {
  int64_t iterations = 10'000;
  const auto work = [&](int) { operations(iterations); };
  for (double took = 0; (took = seconds_of(pool, work)) < kSeconds;)
    iterations *= std::clamp<int64_t>(static_cast<int64_t>(kSeconds / took), 2, 100);
  const double seconds = median_seconds(pool, work);
  return static_cast<double>(pool.threads() * operations(iterations)) / seconds / 1e9;
}

/// The widest kernels that this machine runs.
const LinearKernels& best() { return *all_linear_kernels()[0]; }

}  // namespace

double read_bandwidth_gbs(ThreadPool& pool, size_t bytes) {
  const auto threads = static_cast<size_t>(pool.threads());
  const size_t part = bytes / threads / 256 * 256;
  Buffer memory(bytes);
  pool.run([&](int rank) {  // a first touch by its reader, and no page that is all zero
    std::memset(memory.data() + static_cast<size_t>(rank) * part, 1, part);
  });
  const double seconds = median_seconds(pool, [&](int rank) {
    best().read(memory.data() + static_cast<size_t>(rank) * part, static_cast<int64_t>(part));
  });
  return static_cast<double>(part * threads) / seconds / 1e9;
}

double int8_peak_gops(ThreadPool& pool) { return peak_gops(pool, best().int8_operations); }
double bf16_peak_gflops(ThreadPool& pool) { return peak_gops(pool, best().bf16_operations); }
double f32_peak_gflops(ThreadPool& pool) { return peak_gops(pool, best().f32_operations); }

}  // namespace varve::kernels
