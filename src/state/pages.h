#pragma once
// One sequence's pages: page p holds positions [16p, 16p+16); length() positions are filled.
//
// Sharing: fork() shares the full pages and copies the open one, since both sides will write into it;
// full pages are immutable. truncate() and begin_with() may leave a page that others share as this sequence's
// open one: reserve() counts its copy, extend() makes it before anyone writes. So a shared page is never
// written, and a sequence that reserved can always extend.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "state/page_pool.h"

namespace varve::state {

class Pages {
 public:
  explicit Pages(PagePool& pool) : pool_(&pool) {}
  ~Pages() { clear(); }
  Pages(Pages&& other) noexcept;
  Pages& operator=(Pages&& other) noexcept;

  /// Positions filled.
  int64_t length() const { return length_; }
  const std::vector<PageId>& ids() const { return ids_; }
  /// Where each page lies, in order: what a Step carries.
  std::vector<std::byte*> addresses() const;

  /// Pages that reserve(tokens) would have to be promised now.
  int64_t missing(int64_t tokens) const;
  /// Promises all that this sequence needs to grow to `tokens`; false, and nothing changed, when the pool
  /// has too few.
  bool reserve(int64_t tokens);
  /// Fills `count` more positions: afterwards every page up to length() is here, and those that hold new
  /// positions are this sequence's alone. Only within what was reserved.
  void extend(int64_t count);

  /// An empty sequence begins with the first `tokens` positions of `pages`, which stay shared with whoever
  /// holds them.
  void begin_with(std::span<const PageId> pages, int64_t tokens);
  /// A second sequence that begins with this one's first `tokens` positions and may grow to `capacity`;
  /// nothing when the pool has too few pages.
  std::optional<Pages> fork(int64_t tokens, int64_t capacity) const;
  /// Forgets all positions from `tokens` on, and what was reserved.
  void truncate(int64_t tokens);
  /// Gives up what was reserved and not yet taken.
  void release();
  void clear();

 private:
  bool open_page_is_shared() const;
  PageId take();

  PagePool* pool_;
  std::vector<PageId> ids_;
  int64_t length_ = 0;
  int64_t promised_ = 0;
};

}  // namespace varve::state
