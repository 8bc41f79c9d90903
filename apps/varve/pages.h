#pragma once
// Memory for sequences that a command drives through a model by itself, without an engine.
#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "nn/model.h"

namespace varve::app {

class SequencePages {
 public:
  /// Room for `sequences` of `tokens` tokens each, zeroed.
  SequencePages(const nn::StateLayout& layout, int64_t tokens, int64_t sequences);

  /// Rows [begin, begin + count) of a step at positions [position, position + count) of `sequence`.
  nn::Step::Slice slice(int64_t sequence, int64_t begin, int64_t count, int64_t position) const;
  /// Sequence 0's memory to every other one.
  void copy_first();

 private:
  int64_t tokens_, sequences_, pages_, page_stride_, slot_stride_;
  mutable Buffer memory_;
};

}  // namespace varve::app
