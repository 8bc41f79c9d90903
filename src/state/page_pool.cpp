#include "state/page_pool.h"

#include <cstring>
#include <limits>

#include "core/checked.h"
#include "core/error.h"

namespace varve::state {

namespace {

size_t pool_bytes(int64_t stride, int64_t pages) {
  const auto bytes = checked_mul(static_cast<uint64_t>(stride), static_cast<uint64_t>(pages));
  check(bytes.has_value(), "the page pool's size does not fit 64 bits");
  return *bytes;
}

}  // namespace

PagePool::PagePool(int64_t page_bytes, int64_t pages)
    : page_bytes_(page_bytes),
      stride_(round_up(page_bytes, kAlignment)),
      memory_(pool_bytes(stride_, pages)),
      references_(static_cast<size_t>(pages), 0) {
  check(page_bytes >= 0 && pages >= 0 && pages <= std::numeric_limits<PageId>::max(),
        "a page pool of an impossible size");
  free_.reserve(references_.size());
  for (PageId page = static_cast<PageId>(pages) - 1; page >= 0; --page) free_.push_back(page);
}

bool PagePool::promise(int64_t count) {
  check(count >= 0, "a negative promise of pages");
  if (count > available()) return false;
  promised_ += count;
  return true;
}

void PagePool::release(int64_t count) {
  check(count >= 0 && count <= promised_, "more pages released than were promised");
  promised_ -= count;
}

PageId PagePool::take() {
  check(promised_ > 0, "a page taken without a promise");
  --promised_;
  const PageId page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  return page;
}

void PagePool::share(PageId page) {
  check(references(page) > 0, "a free page shared");
  ++references_[static_cast<size_t>(page)];
}

void PagePool::drop(PageId page) {
  check(references(page) > 0, "a free page dropped");
  if (--references_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

int32_t PagePool::references(PageId page) const { return references_.at(static_cast<size_t>(page)); }

std::byte* PagePool::data(PageId page) { return memory_.data() + static_cast<int64_t>(page) * stride_; }

void PagePool::copy(PageId from, PageId to) {
  if (page_bytes_ > 0) std::memcpy(data(to), data(from), static_cast<size_t>(page_bytes_));
}

}  // namespace varve::state
