#pragma once
// What the tests of scans over heads (ops/delta_layout.h) have in common: the fixtures' slices and states,
// and the two properties that hold for any scan. A fixture is made from (layout, rows, sequences, seed).
#include "op_support.h"

namespace varve::kernels::test {

/// States and answers of some sequences.
struct HeadScan {
  ops::DeltaLayout layout;
  int64_t rows = 0;
  std::vector<float> y, states;

  HeadScan(const ops::DeltaLayout& of, int64_t row_count) : layout(of), rows(row_count) {
    y.assign(static_cast<size_t>(rows * values()), -7.0f);
  }
  int64_t values() const { return layout.value_heads * layout.value_dim; }
  ops::StateSlice slice(size_t sequence, int32_t begin, int32_t count, int32_t position) {
    float* state = states.data() + sequence * static_cast<size_t>(layout.elements());
    return {
        .begin = begin, .count = count, .position = position, .state = reinterpret_cast<std::byte*>(state)};
  }
};

template <class Scan>
void expect_any_chunking_has_the_same_bits(const OpKernels& kernels, const ops::DeltaLayout& layout) {
  Scan whole(layout, 40, 1, 5);
  whole.run(kernels, {whole.slice(0, 0, 40, 0)});
  for (const int32_t chunk : {1, 7, 16, 17, 39}) {
    Scan cut(layout, 40, 1, 5);
    for (int32_t at = 0; at < 40; at += chunk)
      cut.run(kernels, {cut.slice(0, at, std::min(chunk, 40 - at), at)});
    EXPECT_TRUE(same_bits(cut.y, whole.y)) << "chunk " << chunk;
    EXPECT_TRUE(same_bits(cut.states, whole.states)) << "chunk " << chunk;
  }
}

template <class Scan>
void expect_the_same_bits(const OpKernels& one, const OpKernels& other, const ops::DeltaLayout& layout) {
  Scan first(layout, 20, 1, 9), second(layout, 20, 1, 9);
  first.run(one, {first.slice(0, 0, 20, 0)});
  second.run(other, {second.slice(0, 0, 20, 0)});
  EXPECT_TRUE(same_bits(first.y, second.y));
  EXPECT_TRUE(same_bits(first.states, second.states));
}

}  // namespace varve::kernels::test
