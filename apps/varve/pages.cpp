#include "pages.h"

#include <cstring>

#include "core/checked.h"
#include "ops/kv_layout.h"

namespace varve::app {

namespace {

constexpr int64_t kAlignment = 64;

}  // namespace

SequencePages::SequencePages(const nn::StateLayout& layout, int64_t tokens, int64_t sequences)
    : tokens_(tokens),
      sequences_(sequences),
      pages_(divide_up(tokens, ops::kPageTokens)),
      page_stride_(round_up(layout.page_bytes, kAlignment)),
      slot_stride_(round_up(layout.slot_bytes, kAlignment)),
      memory_(static_cast<size_t>(sequences * (pages_ * page_stride_ + slot_stride_))) {}

nn::Step::Slice SequencePages::slice(int64_t sequence, int64_t begin, int64_t count, int64_t position) const {
  nn::Step::Slice slice;
  slice.begin = static_cast<int32_t>(begin);
  slice.count = static_cast<int32_t>(count);
  slice.position = static_cast<int32_t>(position);
  slice.limit = tokens_;
  std::byte* at = memory_.data() + sequence * (pages_ * page_stride_ + slot_stride_);
  for (int64_t page = 0; page < divide_up(position + count, ops::kPageTokens); ++page)
    slice.pages.push_back(at + page * page_stride_);
  if (slot_stride_ > 0) slice.slot = at + pages_ * page_stride_;
  return slice;
}

void SequencePages::copy_first() {
  const auto size = static_cast<size_t>(pages_ * page_stride_ + slot_stride_);
  for (int64_t sequence = 1; sequence < sequences_; ++sequence)
    std::memcpy(memory_.data() + static_cast<size_t>(sequence) * size, memory_.data(), size);
}

}  // namespace varve::app
