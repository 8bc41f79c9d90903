#include "core/buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include "core/error.h"

namespace varve {

namespace {
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kReadAhead = 8192;  // kernels prefetch past the end: keep those addresses mapped
}  // namespace

Buffer::Buffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  const bool large = bytes >= kHugePage;
  map_size_ = bytes + kReadAhead + (large ? kHugePage : 0);
  map_ =
      ::mmap(nullptr, map_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map_ == MAP_FAILED) {
    map_ = nullptr;
    throw LoadError(
        {.what = "not enough memory",
         .where = {},
         .expected = fmt::format("{:.1f} MB in one piece", static_cast<double>(bytes) / 1e6),
         .found = {},
         .advice = "Close other programs, or take a smaller model, a shorter context or fewer bits."});
  }
  auto address = reinterpret_cast<uintptr_t>(map_);
  if (large) {
    address = (address + kHugePage - 1) / kHugePage * kHugePage;
    ::madvise(reinterpret_cast<void*>(address), bytes, MADV_HUGEPAGE);
  }
  data_ = reinterpret_cast<std::byte*>(address);
}

Buffer::~Buffer() {
  if (map_) ::munmap(map_, map_size_);
}

}  // namespace varve
