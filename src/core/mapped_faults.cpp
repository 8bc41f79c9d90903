#include "core/mapped_faults.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace varve {

/// One place of the list that the handler walks. Places are reused and never freed: a fault may come at any
/// time, on any thread.
struct GuardedRange {
  std::atomic<uintptr_t> begin{UINTPTR_MAX};  // UINTPTR_MAX: a free place
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> faulted{false};
  GuardedRange* next = nullptr;
};

namespace {

std::atomic<GuardedRange*> ranges{nullptr};
struct sigaction previous;
uintptr_t page_bytes = 4096;

bool replace_page(uintptr_t address) {
  for (GuardedRange* range = ranges.load(std::memory_order_acquire); range; range = range->next) {
    if (address < range->begin.load() || address >= range->end.load()) continue;
    void* page = reinterpret_cast<void*>(address / page_bytes * page_bytes);
    // The bare system call: nothing in a handler may lock, nor may a sanitizer take two threads that replace
    // the same page for a data race.
    if (::syscall(SYS_mmap, page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        -1)
      return false;
    range->faulted.store(true);
    return true;
  }
  return false;
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  if (replace_page(reinterpret_cast<uintptr_t>(info->si_addr))) return;
  if ((previous.sa_flags & SA_SIGINFO) && previous.sa_sigaction)
    return previous.sa_sigaction(signal, info, context);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) return previous.sa_handler(signal);
  // Not ours: the instruction runs again and ends the process as it would have.
  ::sigaction(SIGBUS, &previous, nullptr);
}

void install() {
  page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &previous);
}

GuardedRange* free_place() {
  for (GuardedRange* range = ranges.load(); range; range = range->next)
    if (range->begin.load() == UINTPTR_MAX) return range;
  auto* made = new GuardedRange;
  made->next = ranges.load();
  ranges.store(made, std::memory_order_release);
  return made;
}

}  // namespace

FaultGuard::FaultGuard(const void* begin, size_t size) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  static const bool installed = (install(), true);
  static_cast<void>(installed);
  range_ = free_place();
  range_->faulted.store(false);
  const auto at = reinterpret_cast<uintptr_t>(begin);
  range_->end.store(at + size);  // before begin, which makes the place count
  range_->begin.store(at);
}

FaultGuard::~FaultGuard() {
  range_->end.store(0);
  range_->begin.store(UINTPTR_MAX);
}

bool FaultGuard::faulted() const { return range_->faulted.load(); }

}  // namespace varve
