#include "core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>
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

// A worker waits for the next fork on its core for a while: longer than any gap between the ops of one step,
// which would otherwise end in a system call each. After the first spins it lets others have the core
// whenever they want it, so that it cannot starve a caller that has to share it.
constexpr int kSpins = 20'000;
constexpr int kSpinsBeforeYield = 2'000;
constexpr int kSpinsPerYield = 50;

inline void wait_a_little(int spins) {
  if (spins > kSpinsBeforeYield && spins % kSpinsPerYield == 0)
    std::this_thread::yield();
  else
    relax();
}

}  // namespace

// Each fork is a generation. A part (the body of one rank) belongs to whoever claims it first: its own worker
// as a rule, or a thread that has finished its own. So a worker that sleeps, or that has been put off its
// core by another program, holds nobody up. Only a part that was begun is waited for.
struct ThreadPool::State {
  struct alignas(64) Part {
    std::atomic<uint32_t> done_by{0};  // the last generation in which it was claimed
  };

  std::atomic<uint32_t> generation{0};
  std::atomic<int> running{0};
  std::atomic<bool> stop{false};
  Erased body = nullptr;
  const void* context = nullptr;
  int threads = 1;
  std::unique_ptr<Part[]> parts;
  std::vector<std::thread> workers;

  /// Runs the part unless somebody else does. A claim of generation g succeeds only while the caller is still
  /// inside it, so `body` is that of g.
  void try_part(uint32_t now, int rank) {
    uint32_t before = now - 1;
    if (!parts[rank].done_by.compare_exchange_strong(before, now, std::memory_order_acq_rel)) return;
    body(context, rank);
    running.fetch_sub(1, std::memory_order_release);
  }

  void work(int rank) {
    uint32_t seen = 0;
    for (;;) {
      uint32_t now = generation.load(std::memory_order_acquire);
      for (int spins = 0; now == seen; now = generation.load(std::memory_order_acquire)) {
        if (++spins < kSpins)
          wait_a_little(spins);
        else
          generation.wait(seen, std::memory_order_acquire);
      }
      seen = now;
      if (stop.load(std::memory_order_relaxed)) return;
      for (int k = 0; k < threads; ++k) {
        const int part = (rank + k) % threads;
        if (part != 0) try_part(now, part);
      }
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  state_->threads = std::max(threads, 1);
  state_->parts = std::make_unique<State::Part[]>(static_cast<size_t>(state_->threads));
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
  const uint32_t now = s.generation.load(std::memory_order_relaxed) + 1;
  s.generation.store(now, std::memory_order_release);
  s.generation.notify_all();
  body(context, 0);
  for (int rank = 1; rank < s.threads; ++rank) s.try_part(now, rank);
  for (int spins = 0; s.running.load(std::memory_order_acquire) != 0; ++spins) wait_a_little(spins);
}

int ThreadPool::usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace varve
