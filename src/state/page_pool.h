#pragma once
// The memory that sequences remember in: one reservation, cut into equal pages of kPageTokens tokens
// (every layer's part of them). Bytes only: what a page holds is the kernels' business.
//
// Admission: pages are promised before they are taken. promise(n) succeeds only while n pages are neither
// held nor promised, so whoever holds a promise can always take its pages and never waits half-way.
//
// Pages are reference counted. A page that more than one holder shares is never written: Pages (pages.h)
// copies it first. Memory is touched only when a page is first taken. One thread.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/buffer.h"

namespace varve::state {

inline constexpr int64_t kPageTokens = 16;
inline constexpr int64_t kAlignment = 64;  // of pages and slots: a cache line

/// Pages that `tokens` tokens lie in.
constexpr int64_t pages_for(int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

using PageId = int32_t;

class PagePool {
 public:
  /// `page_bytes` may be 0 (a model without paged state): pages then are counted but have no memory.
  /// A LoadError when the memory cannot be had.
  PagePool(int64_t page_bytes, int64_t pages);
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  int64_t page_bytes() const { return page_bytes_; }
  int64_t pages() const { return static_cast<int64_t>(references_.size()); }
  /// Pages with at least one holder.
  int64_t held() const { return pages() - static_cast<int64_t>(free_.size()); }
  int64_t promised() const { return promised_; }
  /// Pages that can still be promised.
  int64_t available() const { return static_cast<int64_t>(free_.size()) - promised_; }

  /// Sets `count` pages aside; false, and nothing changed, when there are fewer available.
  bool promise(int64_t count);
  /// Gives up `count` promised pages that were not taken.
  void release(int64_t count);

  /// Turns one promised page into a held one (one reference). Its bytes are whatever they were.
  PageId take();
  void share(PageId page);
  void drop(PageId page);
  int32_t references(PageId page) const;
  /// page_bytes() bytes, aligned to a cache line.
  std::byte* data(PageId page);
  /// The bytes of one page become those of another.
  void copy(PageId from, PageId to);

 private:
  int64_t page_bytes_;
  int64_t stride_;  // page_bytes rounded up to a cache line
  int64_t promised_ = 0;
  Buffer memory_;
  std::vector<PageId> free_;
  std::vector<int32_t> references_;
};

}  // namespace varve::state
