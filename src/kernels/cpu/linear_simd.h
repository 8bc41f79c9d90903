#pragma once
// The linear kernels of one instruction set, written once for all of them; included by the
// per-instruction-set files after their isa_*.h.
//
// One pattern: for each block of 16 rows, for each chunk of inputs, for each row of x: a partial sum over
// the chunk from zero, then one addition (times scales) to the row's running sum. A policy says what a chunk
// of weights becomes and how the partial sum is made; the order is the same for any number of rows.
#include <algorithm>

#include "kernels/cpu/linear_codes.h"
#include "kernels/linear_kernels.h"

namespace varve::kernels {
namespace {

/// Where a policy finds one chunk of weights.
struct ChunkPlace {
  const std::byte* header = nullptr;  // of its group
  const std::byte* data = nullptr;
  const ops::TileLayout* layout = nullptr;
  int inputs = 0;
  VARVE_INLINE F scales(int slice) const { return load_scales(layout->scale_type, header, slice); }
  VARVE_INLINE F biases(int slice) const {
    return load_scales(layout->scale_type, header + layout->header_bytes / 2, slice);
  }
};

/// Integer weights against int8 activations.
template <class Codes, int Chunk>
struct Int8Policy {
  static constexpr int kActBytes = 1;
  struct Weights {
    U quads[Chunk / 4];
    F scale;
    F bias;
  };
  void open(const ChunkPlace&) {}

  static VARVE_INLINE Weights slice(const Int8Policy&, const ChunkPlace& place, int slice) {
    Weights w;
#pragma GCC unroll 16
    for (int n = 0; n < Chunk / 4; ++n) w.quads[n] = Codes::bytes(place.data, Chunk, slice, n);
    w.scale = Codes::scale(place.scales(slice));
    w.bias = Codes::kBias ? place.biases(slice) : F{};
    return w;
  }

  template <int Rows>
  static VARVE_INLINE void add(const Weights& w, const ChunkPlace&, const std::byte* x, const ActScale* sx,
                               F (&sum)[Rows]) {
    U acc[Rows];
#pragma GCC unroll 8
    for (int t = 0; t < Rows; ++t)
      acc[t] = Codes::kPlus == 0 ? U{} : set1(static_cast<uint32_t>(-Codes::kPlus * sx[t].code_sum));
#pragma GCC unroll 16
    for (int n = 0; n < Chunk / 4; ++n) {
#pragma GCC unroll 8
      for (int t = 0; t < Rows; ++t)
        acc[t] = dot<Codes::kBits>(acc[t], w.quads[n], broadcast(x + t * Chunk + 4 * n));
    }
#pragma GCC unroll 8
    for (int t = 0; t < Rows; ++t) {
      if constexpr (Codes::kBias) sum[t] = fma(w.bias, set1(sx[t].sum), sum[t]);
      sum[t] = fma(to_float(acc[t]), w.scale * set1(sx[t].scale), sum[t]);
    }
  }
};

/// Weights as float, dequantised first, against f32 activations.
template <class Decode>
struct F32Policy {
  static constexpr int kActBytes = 4;
  struct Weights {
    const std::byte* numbers;  // [input][16 rows] f32, at this slice
  };
  alignas(64) float buffer[ops::kMaxChunk * ops::kBlockRows];
  const std::byte* numbers = nullptr;
  VARVE_INLINE void open(const ChunkPlace& place) { numbers = Decode::numbers(place, buffer); }

  static VARVE_INLINE Weights slice(const F32Policy& policy, const ChunkPlace&, int slice) {
    return {policy.numbers + slice * 4 * kLanes};
  }

  template <int Rows>
  static VARVE_INLINE void add(const Weights& w, const ChunkPlace& place, const std::byte* x, const ActScale*,
                               F (&sum)[Rows]) {
    F acc[Rows] = {};
    const int64_t stride = place.layout->chunk * 4;
#pragma GCC unroll 4
    for (int k = 0; k < place.inputs; ++k) {
      const F weights = load<F>(w.numbers + k * 64);
#pragma GCC unroll 8
      for (int t = 0; t < Rows; ++t)
        acc[t] = fma(weights, as_float(broadcast(x + t * stride + 4 * k)), acc[t]);
    }
#pragma GCC unroll 8
    for (int t = 0; t < Rows; ++t) sum[t] += acc[t];
  }
};

struct DecodeF32 {
  static VARVE_INLINE const std::byte* numbers(const ChunkPlace& place, float*) { return place.data; }
};

struct DecodeF16 {
  static VARVE_INLINE const std::byte* numbers(const ChunkPlace& place, float* out) {
    for (int i = 0; i < place.inputs * kSlices; ++i)
      store(out + i * kLanes, f16_to_float(load<H>(place.data + i * 2 * kLanes)));
    return reinterpret_cast<const std::byte*>(out);
  }
};

struct DecodeBf16 {
  static VARVE_INLINE const std::byte* numbers(const ChunkPlace& place, float* out) {
    for (int pair = 0; pair < place.inputs / 2; ++pair) {
      for (int s = 0; s < kSlices; ++s) {
        const U words = load<U>(place.data + pair * 64 + s * 4 * kLanes);
        store(out + pair * 32 + s * kLanes, words << 16);
        store(out + pair * 32 + 16 + s * kLanes, words & 0xffff0000u);
      }
    }
    return reinterpret_cast<const std::byte*>(out);
  }
};

template <class Codes>
struct DecodeCodes {
  static VARVE_INLINE const std::byte* numbers(const ChunkPlace& place, float* out) {
    for (int s = 0; s < kSlices; ++s) {
      const F scale = Codes::scale(place.scales(s));
      const F bias = Codes::kBias ? place.biases(s) : F{};
#pragma GCC unroll 8
      for (int n = 0; n < place.inputs / 4; ++n) {
        const U quad = Codes::value_quad(place.data, place.layout->chunk, s, n);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i)
          store(out + (4 * n + i) * 16 + s * kLanes, Codes::value(quad, i, scale, bias));
      }
    }
    return reinterpret_cast<const std::byte*>(out);
  }
};

/// bf16 pairs of weights against bf16 activations: dense bf16 as it lies, fp8 converted.
template <bool Fp8>
struct Bf16Policy {
  static constexpr int kActBytes = 2;
  struct Weights {
    const std::byte* pairs;  // [input / 2][16 rows][2], at this slice
    F scale;
  };
  alignas(64) uint32_t buffer[Fp8 ? ops::kMaxChunk / 2 * ops::kBlockRows : 1];

  VARVE_INLINE void open(const ChunkPlace& place) {
    if constexpr (Fp8) {
#pragma GCC unroll 8
      for (int n = 0; n < place.inputs / 4; ++n) {
        for (int s = 0; s < kSlices; ++s) {
          const U quad = code_quad<8>(place.data, place.layout->chunk, s, n);
          store(buffer + n * 32 + s * kLanes, e4m3_pair_to_bf16(quad));
          store(buffer + n * 32 + 16 + s * kLanes, e4m3_pair_to_bf16(quad >> 16));
        }
      }
    }
  }

  /// The low two codes of each lane as a bf16 pair (exact).
  static VARVE_INLINE U e4m3_pair_to_bf16(U quad) {
    const U low = as_bits(e4m3_to_float(quad & 0xff));
    const U high = as_bits(e4m3_to_float((quad >> 8) & 0xff));
    return (low >> 16) | (high & 0xffff0000u);
  }

  static VARVE_INLINE Weights slice(const Bf16Policy& policy, const ChunkPlace& place, int slice) {
    if constexpr (Fp8)
      return {reinterpret_cast<const std::byte*>(policy.buffer) + slice * 4 * kLanes, place.scales(slice)};
    else
      return {place.data + slice * 4 * kLanes, F{}};
  }

  template <int Rows>
  static VARVE_INLINE void add(const Weights& w, const ChunkPlace& place, const std::byte* x, const ActScale*,
                               F (&sum)[Rows]) {
    F acc[Rows] = {};
    const int64_t stride = place.layout->chunk * 2;
#pragma GCC unroll 4
    for (int pair = 0; pair < place.inputs / 2; ++pair) {
      const U weights = load<U>(w.pairs + pair * 64);
#pragma GCC unroll 8
      for (int t = 0; t < Rows; ++t) acc[t] = dot_bf16(acc[t], weights, broadcast(x + t * stride + 4 * pair));
    }
#pragma GCC unroll 8
    for (int t = 0; t < Rows; ++t) {
      if constexpr (Fp8)
        sum[t] = fma(acc[t], w.scale, sum[t]);
      else
        sum[t] += acc[t];
    }
  }
};

/// The running sums of one block: [row of x][16 rows of W].
using Sums = float[kTileRows * ops::kBlockRows];

template <class Policy, int Rows>
VARVE_INLINE void add_rows(const typename Policy::Weights& w, const ChunkPlace& place, const std::byte* x,
                           const ActScale* sx, float* sums) {
  F sum[Rows];
#pragma GCC unroll 8
  for (int t = 0; t < Rows; ++t) sum[t] = load<F>(sums + t * 16);
  Policy::add(w, place, x, sx, sum);
#pragma GCC unroll 8
  for (int t = 0; t < Rows; ++t) store(sums + t * 16, sum[t]);
}

/// One chunk of weights against all rows of the tile; `index` counts chunks along the inputs.
template <class Policy>
VARVE_INLINE void add_chunk(const Policy& policy, const ChunkPlace& place, const ActTile& x, int64_t index,
                            int64_t chunk_bytes, float* sums) {
  const int rows = x.rows;
  const std::byte* values = x.values + index * rows * chunk_bytes;
  const ActScale* scales = x.scales + index * rows;
  for (int s = 0; s < kSlices; ++s) {
    const typename Policy::Weights w = Policy::slice(policy, place, s);
    float* at = sums + s * kLanes;
    int t = 0;
    for (; t + kStep <= rows; t += kStep)
      add_rows<Policy, kStep>(w, place, values + t * chunk_bytes, scales + t, at + t * 16);
    if constexpr (kStep == 8) {
      if (rows - t >= 4) {
        add_rows<Policy, 4>(w, place, values + t * chunk_bytes, scales + t, at + t * 16);
        t += 4;
      }
    }
    if (rows - t >= 2) {
      add_rows<Policy, 2>(w, place, values + t * chunk_bytes, scales + t, at + t * 16);
      t += 2;
    }
    if (rows - t >= 1) add_rows<Policy, 1>(w, place, values + t * chunk_bytes, scales + t, at + t * 16);
  }
}

VARVE_INLINE void prefetch(const std::byte* begin, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(begin + at + kPrefetchBytes, 0, 3);
}

/// y = sums (+ bias), or y += that; the last block of a matrix may have fewer than 16 rows.
inline void finish(const MatmulTask& task, int64_t block, const float* sums) {
  const int64_t row = block * ops::kBlockRows;
  const int64_t count = std::min(ops::kBlockRows, task.weight->rows - row);
  for (int t = 0; t < task.x.rows; ++t) {
    float* y = task.y + t * task.y_stride + row;
    const float* sum = sums + t * 16;
    if (count < ops::kBlockRows) {
      for (int64_t r = 0; r < count; ++r) {
        const float value = task.bias ? sum[r] + task.bias[row + r] : sum[r];
        y[r] = task.accumulate ? y[r] + value : value;
      }
      continue;
    }
#pragma GCC unroll 4
    for (int s = 0; s < 16; s += kLanes) {
      F value = load<F>(sum + s);
      if (task.bias) value += load<F>(task.bias + row + s);
      if (task.accumulate) value += load<F>(y + s);
      store(y + s, value);
    }
  }
}

template <class Policy>
void matmul(const MatmulTask& task) {
  const ops::TileLayout& layout = *task.layout;
  const int64_t act_bytes = layout.chunk * int64_t{Policy::kActBytes};
  const int64_t chunks = layout.groups * layout.chunks_per_group;
  Policy policy;
  alignas(64) Sums sums;
  const std::byte* at = task.weight->tiles.data() + task.block_begin * layout.block_bytes;
  for (int64_t block = task.block_begin; block < task.block_end; ++block) {
    std::fill_n(sums, task.x.rows * 16, 0.0f);
    int64_t index = 0;
    for (int64_t first = 0; first < layout.groups; first += layout.groups_per_tile) {
      const int64_t groups = std::min<int64_t>(layout.groups_per_tile, layout.groups - first);
      const std::byte* header = at;
      at += groups * layout.header_bytes;
      prefetch(header, groups * layout.header_bytes);
      for (int64_t group = 0; group < groups; ++group, header += layout.header_bytes) {
        for (int part = 0; part < layout.chunks_per_group; ++part, ++index) {
          const int inputs =
              static_cast<int>(index + 1 < chunks ? layout.chunk : layout.padded_cols - index * layout.chunk);
          const ChunkPlace place{header, at, &layout, inputs};
          prefetch(at, layout.chunk_bytes);
          policy.open(place);
          add_chunk(policy, place, task.x, index, act_bytes, sums);
          at += layout.chunk_bytes;
        }
      }
    }
    at = task.weight->tiles.data() + (block + 1) * layout.block_bytes;
    finish(task, block, sums);
  }
}

}  // namespace
}  // namespace varve::kernels
