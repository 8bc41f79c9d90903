#pragma once
// How one layer's keys and values lie in one page of 16 tokens. The page's bytes are opaque to everyone
// but the attention kernels; src/state only needs their number.
//   K: [kv_heads][head_dim/2][16 tokens][2]    pairs of inputs side by side, tokens in lanes
//   V: [kv_heads][8 token pairs][value_dim][2] pairs of tokens side by side, outputs in lanes
// of bf16 (fast) or float32 (exact), K first. head_dim and value_dim are even.
#include <cstdint>

namespace varve::ops {

inline constexpr int64_t kPageTokens = 16;

struct KvLayout {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;   // of keys
  int64_t value_dim = 0;  // of values
  int64_t element = 4;    // bytes: 4 = float32, 2 = bf16

  int64_t key_head_bytes() const { return head_dim * kPageTokens * element; }
  int64_t value_head_bytes() const { return value_dim * kPageTokens * element; }
  int64_t key_bytes() const { return kv_heads * key_head_bytes(); }
  int64_t page_bytes() const { return kv_heads * (key_head_bytes() + value_head_bytes()); }
  /// Element index of (token, dim) within one head's keys.
  int64_t key_index(int64_t token, int64_t dim) const {
    return (dim / 2 * kPageTokens + token) * 2 + dim % 2;
  }
  /// Element index of (token, dim) within one head's values.
  int64_t value_index(int64_t token, int64_t dim) const {
    return (token / 2 * value_dim + dim) * 2 + token % 2;
  }
};

}  // namespace varve::ops
