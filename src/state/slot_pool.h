#pragma once
// Memory for recurrent state: equal slots, one per sequence, cut from one reservation. Bytes only.
// A fresh slot is zero. One thread.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/buffer.h"

namespace varve::state {

class SlotPool;

/// A held slot; gives itself back. Empty when the model has no recurrent state.
class Slot {
 public:
  Slot() = default;
  ~Slot();
  Slot(Slot&& other) noexcept;
  Slot& operator=(Slot&& other) noexcept;
  /// Null when empty.
  std::byte* data() const;

 private:
  friend class SlotPool;
  Slot(SlotPool& pool, int32_t index) : pool_(&pool), index_(index) {}
  SlotPool* pool_ = nullptr;
  int32_t index_ = -1;
};

class SlotPool {
 public:
  /// `slot_bytes` 0: a model without recurrent state, whose slots are empty and never run out.
  SlotPool(int64_t slot_bytes, int64_t slots);
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  int64_t slot_bytes() const { return slot_bytes_; }
  int64_t slots() const { return slots_; }
  int64_t held() const { return slots_ - static_cast<int64_t>(free_.size()); }
  bool any_free() const { return slot_bytes_ == 0 || !free_.empty(); }

  /// A slot of zeros; nothing when all are held.
  std::optional<Slot> take();
  /// A slot with the bytes of `from`; nothing when all are held.
  std::optional<Slot> copy(const Slot& from);

 private:
  friend class Slot;
  std::optional<Slot> take_unset();

  int64_t slot_bytes_;
  int64_t stride_;
  int64_t slots_;
  Buffer memory_;
  std::vector<int32_t> free_;
};

}  // namespace varve::state
