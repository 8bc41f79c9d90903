#pragma once
// A fork-join pool for the kernels: one caller forks, all threads run, the caller joins. Workers spin for
// a short while after each fork (a fork costs well under a microsecond in a run of forks) and then sleep. A
// worker that comes late, because it slept or because another program has its core, is not waited for:
// threads that have finished their part take over parts that nobody has begun.
#include <cstdint>
#include <memory>

namespace varve {

class ThreadPool {
 public:
  /// `threads` counts the caller; 1 means no worker at all.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  /// Calls body(rank) once for every rank in [0, threads), rank 0 on the caller, the others at the same time
  /// where cores are free, and returns when all are done. One rank must not wait for another. Not re-entrant.
  /// `body` must not throw.
  template <class Body>
  void run(const Body& body) {
    run_erased([](const void* context, int rank) { (*static_cast<const Body*>(context))(rank); }, &body);
  }

  /// Splits [0, units) into one contiguous range per thread: body(begin, end). Runs on the caller alone
  /// when there is only one unit.
  template <class Body>
  void for_ranges(int64_t units, const Body& body) {
    if (units <= 0) return;
    const int64_t n = threads();
    if (n == 1 || units == 1) return body(int64_t{0}, units);
    run([&](int rank) {
      const int64_t begin = units * rank / n, end = units * (rank + 1) / n;
      if (begin < end) body(begin, end);
    });
  }

  /// The number of cores this process may use.
  static int usable_cores();

 private:
  using Erased = void (*)(const void*, int);
  void run_erased(Erased body, const void* context);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace varve
