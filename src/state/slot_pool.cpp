#include "state/slot_pool.h"

#include <cstring>
#include <limits>
#include <utility>

#include "core/checked.h"
#include "core/error.h"
#include "state/page_pool.h"

namespace varve::state {

namespace {

size_t pool_bytes(int64_t stride, int64_t slots) {
  const auto bytes = checked_mul(static_cast<uint64_t>(stride), static_cast<uint64_t>(slots));
  check(bytes.has_value(), "the slot pool's size does not fit 64 bits");
  return *bytes;
}

}  // namespace

Slot::~Slot() {
  if (pool_) pool_->free_.push_back(index_);
}

Slot::Slot(Slot&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), index_(std::exchange(other.index_, -1)) {}

Slot& Slot::operator=(Slot&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(index_, other.index_);
  return *this;
}

std::byte* Slot::data() const { return pool_ ? pool_->memory_.data() + index_ * pool_->stride_ : nullptr; }

SlotPool::SlotPool(int64_t slot_bytes, int64_t slots)
    : slot_bytes_(slot_bytes),
      stride_(round_up(slot_bytes, kAlignment)),
      slots_(slot_bytes == 0 ? 0 : slots),
      memory_(pool_bytes(stride_, slots_)) {
  check(slot_bytes >= 0 && slots >= 0 && slots <= std::numeric_limits<int32_t>::max(),
        "a slot pool of an impossible size");
  for (int32_t slot = static_cast<int32_t>(slots_) - 1; slot >= 0; --slot) free_.push_back(slot);
}

std::optional<Slot> SlotPool::take_unset() {
  if (slot_bytes_ == 0) return Slot();
  if (free_.empty()) return std::nullopt;
  Slot slot(*this, free_.back());
  free_.pop_back();
  return slot;
}

std::optional<Slot> SlotPool::take() {
  auto slot = take_unset();
  if (slot && slot->data()) std::memset(slot->data(), 0, static_cast<size_t>(slot_bytes_));
  return slot;
}

std::optional<Slot> SlotPool::copy(const Slot& from) {
  auto slot = take_unset();
  if (slot && slot->data()) std::memcpy(slot->data(), from.data(), static_cast<size_t>(slot_bytes_));
  return slot;
}

}  // namespace varve::state
