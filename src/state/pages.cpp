#include "state/pages.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace varve::state {

Pages::Pages(Pages&& other) noexcept
    : pool_(other.pool_),
      ids_(std::exchange(other.ids_, {})),
      length_(std::exchange(other.length_, 0)),
      promised_(std::exchange(other.promised_, 0)) {}

Pages& Pages::operator=(Pages&& other) noexcept {
  if (this == &other) return *this;
  clear();
  pool_ = other.pool_;
  ids_ = std::exchange(other.ids_, {});
  length_ = std::exchange(other.length_, 0);
  promised_ = std::exchange(other.promised_, 0);
  return *this;
}

std::vector<std::byte*> Pages::addresses() const {
  std::vector<std::byte*> out;
  out.reserve(ids_.size());
  for (const PageId id : ids_) out.push_back(pool_->data(id));
  return out;
}

bool Pages::open_page_is_shared() const {
  return length_ % kPageTokens != 0 && pool_->references(ids_.back()) > 1;
}

int64_t Pages::missing(int64_t tokens) const {
  if (tokens <= length_) return 0;
  const int64_t copies = open_page_is_shared() ? 1 : 0;
  const int64_t wanted = pages_for(tokens) - static_cast<int64_t>(ids_.size()) + copies;
  return std::max<int64_t>(0, wanted - promised_);
}

bool Pages::reserve(int64_t tokens) {
  const int64_t more = missing(tokens);
  if (!pool_->promise(more)) return false;
  promised_ += more;
  return true;
}

PageId Pages::take() {
  check(promised_ > 0, "a sequence grew beyond what it reserved");
  --promised_;
  return pool_->take();
}

void Pages::extend(int64_t count) {
  check(count >= 0, "a sequence extended by a negative count");
  if (count == 0) return;
  if (open_page_is_shared()) {
    const PageId copy = take();
    pool_->copy(ids_.back(), copy);
    pool_->drop(std::exchange(ids_.back(), copy));
  }
  length_ += count;
  while (static_cast<int64_t>(ids_.size()) < pages_for(length_)) ids_.push_back(take());
}

void Pages::begin_with(std::span<const PageId> pages, int64_t tokens) {
  check(ids_.empty() && static_cast<int64_t>(pages.size()) == pages_for(tokens),
        "a sequence that began already, or pages of another length");
  ids_.assign(pages.begin(), pages.end());
  for (const PageId id : ids_) pool_->share(id);
  length_ = tokens;
}

std::optional<Pages> Pages::fork(int64_t tokens, int64_t capacity) const {
  check(tokens >= 0 && tokens <= length_ && tokens <= capacity, "a fork beyond the sequence's end");
  const int64_t full = tokens / kPageTokens;
  if (!pool_->promise(pages_for(capacity) - full)) return std::nullopt;
  Pages out(*pool_);
  out.promised_ = pages_for(capacity) - full;
  out.ids_.assign(ids_.begin(), ids_.begin() + full);
  for (const PageId id : out.ids_) pool_->share(id);
  if (tokens % kPageTokens != 0) {
    out.ids_.push_back(out.take());
    pool_->copy(ids_[static_cast<size_t>(full)], out.ids_.back());
  }
  out.length_ = tokens;
  return out;
}

void Pages::truncate(int64_t tokens) {
  check(tokens >= 0 && tokens <= length_, "a sequence truncated beyond its end");
  release();
  for (; static_cast<int64_t>(ids_.size()) > pages_for(tokens); ids_.pop_back()) pool_->drop(ids_.back());
  length_ = tokens;
}

void Pages::release() { pool_->release(std::exchange(promised_, 0)); }

void Pages::clear() { truncate(0); }

}  // namespace varve::state
