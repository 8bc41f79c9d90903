#pragma once
// One batch as plain data: what the engine hands to a model. A prompt chunk is n rows, a decode is 1 row,
// a speculative check is k+1 rows: the model does not know which is which.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace varve::nn {

struct Step {
  /// Rows [begin, begin+count) are one sequence's tokens at positions [position, position+count).
  struct Slice {
    int32_t begin = 0;
    int32_t count = 0;
    int32_t position = 0;
    /// Positions this sequence will have at most (prompt and answer). Rotary kinds that stretch with the
    /// length (dynamic, longrope) are fixed by it for the whole sequence: see Model::position_class.
    int64_t limit = 0;
    /// The sequence's pages in order; page p holds positions [16p, 16p+16) of every layer.
    std::vector<std::byte*> pages;
    /// The sequence's recurrent state, all layers (StateLayout::slot_bytes); null when there is none.
    std::byte* slot = nullptr;
  };

  std::vector<int32_t> tokens;      // [rows]
  std::vector<Slice> slices;        // cover all rows, in order
  std::vector<int32_t> logit_rows;  // rows whose logits are wanted, in order

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
};

}  // namespace varve::nn
