#include "convert/source_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace varve::convert {

namespace {

constexpr uint64_t kAhead = uint64_t{64} << 20;  // what is read ahead of its use
constexpr uint64_t kStep = uint64_t{128} << 10;  // Linux takes no more than its read-ahead window at once

void* page_of(const std::byte* at) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(at) / page * page);
}

}  // namespace

void forget_pages(std::span<const std::byte> mapped) {
  if (mapped.empty()) return;
  auto* page = static_cast<std::byte*>(page_of(mapped.data()));
  ::madvise(page, static_cast<size_t>(mapped.data() + mapped.size() - page), MADV_DONTNEED);
}

void SourcePages::expect(const std::byte* at, uint64_t bytes) {
  if (checkpoint_.access != FileAccess::map) return;
  for (const auto& file : checkpoint_.files) {
    const std::byte* begin = file->bytes().data();
    const std::byte* end = begin + file->bytes().size();
    if (at < begin || at >= end) continue;
    const std::byte* until = at + std::min(bytes + kAhead, static_cast<uint64_t>(end - at));
    // What was asked for the last time is on its way already.
    const bool goes_on = expected_until_ > at && expected_until_ <= until;
    for (const std::byte* step = goes_on ? expected_until_ : at; step < until; step += kStep) {
      void* page = page_of(step);
      const size_t length =
          static_cast<size_t>(std::min(step + kStep, until) - static_cast<std::byte*>(page));
      ::madvise(page, length, MADV_WILLNEED);
    }
    expected_until_ = until;
    return;
  }
}

void SourcePages::used(uint64_t bytes) {
  held_ += bytes;
  if (held_ >= kMostSourcePages) release();
}

void SourcePages::release() {
  held_ = 0;
  if (checkpoint_.access != FileAccess::map) return;
  for (const auto& file : checkpoint_.files) forget_pages(file->bytes());
}

}  // namespace varve::convert
