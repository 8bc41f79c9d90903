#include "core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace varve {

namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr int kSpins = 20'000;  // about a millisecond: longer than any gap between the ops of one step

}  // namespace

struct ThreadPool::State {
  std::atomic<uint32_t> generation{0};
  std::atomic<int> running{0};
  std::atomic<bool> stop{false};
  Erased body = nullptr;
  const void* context = nullptr;
  int threads = 1;
  std::vector<std::thread> workers;

  void work(int rank) {
    uint32_t seen = 0;
    for (;;) {
      int spins = 0;
      while (generation.load(std::memory_order_acquire) == seen) {
        if (++spins < kSpins)
          relax();
        else
          generation.wait(seen, std::memory_order_acquire);
      }
      ++seen;
      if (stop.load(std::memory_order_relaxed)) return;
      body(context, rank);
      running.fetch_sub(1, std::memory_order_release);
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  state_->threads = std::max(threads, 1);
  for (int rank = 1; rank < state_->threads; ++rank)
    state_->workers.emplace_back([s = state_.get(), rank] { s->work(rank); });
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true, std::memory_order_relaxed);
  state_->generation.fetch_add(1, std::memory_order_release);
  state_->generation.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::threads() const { return state_->threads; }

void ThreadPool::run_erased(Erased body, const void* context) {
  State& s = *state_;
  if (s.threads == 1) return body(context, 0);
  s.body = body;
  s.context = context;
  s.running.store(s.threads - 1, std::memory_order_relaxed);
  s.generation.fetch_add(1, std::memory_order_release);
  s.generation.notify_all();
  body(context, 0);
  // A worker may have been put off its core: give way after a while instead of burning ours.
  for (int spins = 0; s.running.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpins)
      relax();
    else
      std::this_thread::yield();
  }
}

int ThreadPool::usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace varve
