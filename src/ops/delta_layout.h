#pragma once
// How the state of the gated delta rule lies in a slot: one float32 matrix [key_dim, value_dim] for each
// value head, its columns in blocks of 32. The selective state space has the same form: its groups are the
// key heads, its heads the value heads, a head's state the key dim and a head's width the value dim.
//   [value_heads][blocks][key_dim][columns of the block]
// so that a block, which is what a core works on, is one run of memory. The bytes are opaque to everyone but
// the scan kernels.
#include <algorithm>
#include <cstdint>

namespace varve::ops {

struct DeltaLayout {
  static constexpr int64_t kBlock = 32;
  int64_t key_heads = 0;
  int64_t value_heads = 0;  // a multiple of key_heads: head h goes with key head h * key_heads / value_heads
  int64_t key_dim = 0;
  int64_t value_dim = 0;

  int64_t blocks() const { return (value_dim + kBlock - 1) / kBlock; }
  int64_t block_width(int64_t block) const { return std::min(kBlock, value_dim - block * kBlock); }
  int64_t elements() const { return value_heads * key_dim * value_dim; }
  /// Element index of a block's first column at the first key.
  int64_t block_index(int64_t head, int64_t block) const {
    return key_dim * (head * value_dim + block * kBlock);
  }
  /// Element index of (key, value) within a head.
  int64_t index(int64_t head, int64_t key, int64_t value) const {
    const int64_t block = value / kBlock;
    return block_index(head, block) + key * block_width(block) + value % kBlock;
  }
};

}  // namespace varve::ops
