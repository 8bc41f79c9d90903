#include "kernels/probe.h"

#include <algorithm>
#include <ctime>

#include "kernels/linear_kernels.h"

namespace varve::kernels {

double work_seconds(const ThreadPool& pool) {
  timespec time{};
  clock_gettime(pool.threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double probe_read_bandwidth(const LinearKernels& kernels, ThreadPool& pool,
                            std::span<const std::byte> memory) {
  constexpr int64_t kPage = 4096;
  const double begin = work_seconds(pool);
  pool.for_ranges(std::ssize(memory) / kPage, [&](int64_t first, int64_t last) {
    kernels.read(memory.data() + first * kPage, (last - first) * kPage);
  });
  return static_cast<double>(memory.size()) / (work_seconds(pool) - begin);
}

double probe_int8_peak(const LinearKernels& kernels, ThreadPool& pool, double seconds) {
  int64_t iterations = 10'000;
  for (;;) {
    const double begin = work_seconds(pool);
    int64_t operations = 0;
    pool.run([&](int rank) {
      const int64_t done = kernels.int8_operations(iterations);
      if (rank == 0) operations = done * pool.threads();
    });
    const double took = work_seconds(pool) - begin;
    if (took >= seconds / 2) return static_cast<double>(operations) / took;
    iterations *= std::clamp<int64_t>(static_cast<int64_t>(seconds / took), 2, 100);
  }
}

}  // namespace varve::kernels
