#pragma once
// The linear kernels of one instruction set, written once for all of them; included by the
// per-instruction-set files after their isa_*.h.
//
// One pattern: for each chunk of inputs a partial sum from zero, then one addition (times scales) to the
// row's running sum. Two loops make it: `few` keeps everything of up to kFewRows rows of x in registers and
// lives from memory bandwidth; `panel` decodes a chunk of weights once into a buffer in the first-level cache
// and runs all rows of the tile against it. Both do the same operations in the same order for an output.
#include <algorithm>

#include "kernels/cpu/linear_policies.h"

namespace varve::kernels {
namespace {

// A sanitized build checks the same loops with fewer sizes of them and rolled up: every check of an unrolled
// body is there many times, and the compiler takes minutes over it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VARVE_UNROLL(times) _Pragma("GCC unroll 1")
constexpr int kFewRows = 2;
constexpr int kMostPanelRows = 2;
#else
#define VARVE_PRAGMA(text) _Pragma(#text)
#define VARVE_UNROLL(times) VARVE_PRAGMA(GCC unroll times)
constexpr int kFewRows = 4;
constexpr int kMostPanelRows = 8;
#endif

VARVE_INLINE void prefetch(const std::byte* begin, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(begin + at + kPrefetchBytes, 0, 3);
}

/// Visits the chunks of a block in order: visit(place, steps, index). The weights ahead are prefetched;
/// further blocks of a panel lie `block_bytes` on.
template <class Policy, int Blocks, class Visit>
VARVE_INLINE void for_chunks(const ops::TileLayout& layout, const std::byte* at, const Visit& visit) {
  const int64_t chunks = layout.chunks;
  int64_t index = 0;
  for (int64_t first = 0; first < layout.groups; first += layout.groups_per_tile) {
    const int64_t groups = std::min<int64_t>(layout.groups_per_tile, layout.groups - first);
    const std::byte* front = at;
    const std::byte* header = at + layout.front_bytes;
    at = header + groups * layout.header_bytes;
    for (int block = 0; block < Blocks; ++block) prefetch(front + block * layout.block_bytes, at - front);
    for (int64_t group = 0; group < groups; ++group, header += layout.header_bytes) {
      for (int part = 0; part < layout.chunks_per_group && index < chunks; ++part, ++index) {
        for (int block = 0; block < Blocks; ++block)
          prefetch(at + block * layout.block_bytes, layout.chunk_bytes);
        const int64_t inputs = index + 1 < chunks ? layout.chunk : layout.padded_cols - index * layout.chunk;
        const int steps = Policy::kSteps ? Policy::kSteps : static_cast<int>(inputs * Policy::kActBytes / 4);
        visit(ChunkPlace{front, header, at, &layout}, steps, index);
        at += layout.chunk_bytes;
      }
    }
  }
}

/// y = sums (+ bias), or y += that, for rows of x that lie `stride` apart in sums; the last block of a matrix
/// may have fewer than 16 rows.
inline void finish(const MatmulTask& task, int64_t block, const float* sums) {
  const int64_t row = block * ops::kBlockRows;
  const int64_t count = std::min(ops::kBlockRows, task.weight->rows - row);
  for (int t = 0; t < task.x.rows; ++t, sums += ops::kBlockRows) {
    float* y = task.y + t * task.y_stride + row;
    if (count < ops::kBlockRows) {
      for (int64_t r = 0; r < count; ++r) {
        const float value = task.bias ? sums[r] + task.bias[row + r] : sums[r];
        y[r] = task.accumulate ? y[r] + value : value;
      }
      continue;
    }
    for (int s = 0; s < 16; s += kLanes) {
      F value = load<F>(sums + s);
      if (task.bias) value += load<F>(task.bias + row + s);
      if (task.accumulate) value += load<F>(y + s);
      store(y + s, value);
    }
  }
}

/// body(n, i) for every step n + i of a chunk, as Policy::weights() wants them.
template <class Policy, class Body>
VARVE_INLINE void for_steps(int steps, const Body& body) {
  if constexpr (Policy::kSteps > 0) {
    VARVE_UNROLL(16)
    for (int n = 0; n < Policy::kSteps; ++n) body(0, n);
  } else {
    for (int n = 0; n < steps; n += 4) {
      body(n, 0);
      body(n, 1);
      body(n, 2);
      body(n, 3);
    }
  }
}

template <class Policy, int Rows>
void few(const MatmulTask& task) {
  const ops::TileLayout& layout = *task.layout;
  const int64_t act_bytes = layout.chunk * int64_t{Policy::kActBytes};
  for (int64_t block = task.block_begin; block < task.block_end; ++block) {
    F sum[kSlices][Rows] = {};
    for_chunks<Policy, 1>(
        layout, task.weight->tiles.data() + block * layout.block_bytes,
        [&](const ChunkPlace& place, int steps, int64_t index) __attribute__((always_inline)) {
          const std::byte* x = task.x.values + index * Rows * act_bytes;
          const ActScale* sx = task.x.scales_at(index * Rows);
          VARVE_UNROLL(4)
          for (int s = 0; s < kSlices; ++s) {
            const typename Policy::Scales scales = Policy::scales(place, s);
            typename Policy::Acc acc[Rows];
            VARVE_UNROLL(4)
            for (int t = 0; t < Rows; ++t) acc[t] = Policy::begin(sx, t);
            for_steps<Policy>(
                steps, [&](int n, int i) __attribute__((always_inline)) {
                  const U weights = Policy::weights(place, scales, s, n, i);
                  VARVE_UNROLL(4)
                  for (int t = 0; t < Rows; ++t) {
                    Policy::step(acc[t], weights, broadcast(x + t * act_bytes + 4 * (n + i)));
                    if (i % 4 == 3) Policy::settle(acc[t]);
                  }
                });
            VARVE_UNROLL(4)
            for (int t = 0; t < Rows; ++t) sum[s][t] = Policy::add(sum[s][t], acc[t], scales, sx, t);
          }
        });
    alignas(64) float sums[Rows * ops::kBlockRows];
    for (int s = 0; s < kSlices; ++s)
      for (int t = 0; t < Rows; ++t) store(sums + t * 16 + s * kLanes, sum[s][t]);
    finish(task, block, sums);
  }
}

/// A chunk of the weights of `Vectors` vectors of output rows, decoded: [step][vector].
template <class Policy, int Vectors>
struct Staged {
  alignas(64) U weights[ops::kMaxChunk * Policy::kActBytes / 4][Vectors];
  typename Policy::Scales scales[Vectors];
};

/// Rows [t, t + Rows) of the tile against a staged chunk. The sums of vector v are at sums[v].
template <class Policy, int Vectors, int Rows>
VARVE_INLINE void panel_rows(const Staged<Policy, Vectors>& w, int steps, const std::byte* x,
                             int64_t act_bytes, const ActScale* sx, float* const (&sums)[Vectors],
                             int first) {
  typename Policy::Acc acc[Vectors][Rows];
  VARVE_UNROLL(4)
  for (int v = 0; v < Vectors; ++v) {
    VARVE_UNROLL(8)
    for (int t = 0; t < Rows; ++t) acc[v][t] = Policy::begin(sx, first + t);
  }
  x += first * act_bytes;
  // Four steps at a time by hand: the compiler's own unrolling of this loop copies every accumulator.
  for (int n = 0; n < steps; n += 4) {
    VARVE_UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      VARVE_UNROLL(8)
      for (int t = 0; t < Rows; ++t) {
        const U four = broadcast(x + t * act_bytes + 4 * (n + i));
        VARVE_UNROLL(4)
        for (int v = 0; v < Vectors; ++v) Policy::step(acc[v][t], w.weights[n + i][v], four);
      }
    }
    VARVE_UNROLL(8)
    for (int t = 0; t < Rows; ++t) {
      VARVE_UNROLL(4)
      for (int v = 0; v < Vectors; ++v) Policy::settle(acc[v][t]);
    }
  }
  VARVE_UNROLL(8)
  for (int t = 0; t < Rows; ++t) {
    VARVE_UNROLL(4)
    for (int v = 0; v < Vectors; ++v) {
      float* sum = sums[v] + (first + t) * 16;
      store(sum, Policy::add(load<F>(sum), acc[v][t], w.scales[v], sx, first + t));
    }
  }
}

/// All rows of the tile against `Blocks` blocks from `block` on.
template <class Policy, int Blocks>
void panel(const MatmulTask& task, int64_t block) {
  constexpr int kVectors = Blocks * kSlices;
  constexpr int kRows = std::min(Policy::kRows, kMostPanelRows);
  const ops::TileLayout& layout = *task.layout;
  const int64_t act_bytes = layout.chunk * int64_t{Policy::kActBytes};
  const int rows = task.x.rows;
  // Padded, so that the blocks' sums do not lie a power of two apart: the processor would take a load of one
  // for a load of what it has just stored into the other.
  alignas(64) float sums[Blocks][(kTileRows + 6) * ops::kBlockRows];
  float* sums_of[kVectors];
  for (int b = 0; b < Blocks; ++b) {
    std::fill_n(sums[b], rows * ops::kBlockRows, 0.0f);
    for (int s = 0; s < kSlices; ++s) sums_of[b * kSlices + s] = sums[b] + s * kLanes;
  }
  Staged<Policy, kVectors> staged;
  for_chunks<Policy, Blocks>(
      layout, task.weight->tiles.data() + block * layout.block_bytes,
      [&](const ChunkPlace& first, int steps, int64_t index) __attribute__((always_inline)) {
        for (int b = 0; b < Blocks; ++b) {
          const int64_t beyond = b * layout.block_bytes;
          const ChunkPlace place{first.front + beyond, first.header + beyond, first.data + beyond, &layout};
          for (int s = 0; s < kSlices; ++s) {
            const int v = b * kSlices + s;
            staged.scales[v] = Policy::scales(place, s);
            for_steps<Policy>(
                steps, [&](int n, int i) __attribute__((always_inline)) {
                  staged.weights[n + i][v] = Policy::weights(place, staged.scales[v], s, n, i);
                });
          }
        }
        const std::byte* x = task.x.values + index * rows * act_bytes;
        const ActScale* sx = task.x.scales_at(index * rows);
        int t = 0;
        for (; t + kRows <= rows; t += kRows)
          panel_rows<Policy, kVectors, kRows>(staged, steps, x, act_bytes, sx, sums_of, t);
        if (kRows > 4 && t + 4 <= rows) {
          panel_rows<Policy, kVectors, 4>(staged, steps, x, act_bytes, sx, sums_of, t);
          t += 4;
        }
        if (kRows > 2 && t + 2 <= rows) {
          panel_rows<Policy, kVectors, 2>(staged, steps, x, act_bytes, sx, sums_of, t);
          t += 2;
        }
        if (t < rows) panel_rows<Policy, kVectors, 1>(staged, steps, x, act_bytes, sx, sums_of, t);
      });
  for (int b = 0; b < Blocks; ++b) finish(task, block + b, sums[b]);
}

/// The kernel for all numbers of rows from `Rows` on.
template <class Policy, int Rows = 1>
void matmul(const MatmulTask& task) {
  if (task.x.rows == Rows) return few<Policy, Rows>(task);
  if constexpr (Rows < kFewRows) {
    matmul<Policy, Rows + 1>(task);
  } else {
    int64_t block = task.block_begin;
    for (; block + kPanelBlocks <= task.block_end; block += kPanelBlocks)
      panel<Policy, kPanelBlocks>(task, block);
    for (; block < task.block_end; ++block) panel<Policy, 1>(task, block);
  }
}

}  // namespace
}  // namespace varve::kernels
