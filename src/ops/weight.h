#pragma once
// A matrix of a checkpoint, as stored (WeightView) and as the kernels stream it (PackedWeight).
//
// Encodings (MLX's words, see docs/architecture.md "Weights"):
//   dense   f32, f16, bf16: [rows, cols] row-major
//   affine  q * scale + bias per group of 32, 64 or 128 inputs; q of 2, 3, 4, 5, 6 or 8 bits
//   mxfp4   e2m1 * 2^(s-127), group 32       nvfp4  e2m1 * e4m3(s), group 16
//   mxfp8   e4m3 * 2^(s-127), group 32
//   fp8     e4m3 * s, s in f32, group 32, 64 or 128; the last group of a row may be short
//   kquant  GGUF's K-quants, whose scales are products: with d and e of every 256 inputs in f16, s and m of
//           every group in int8, 4 and 5 bits (group 32) and 2 bits (group 16) are q * (d * s) - e * m;
//           3 and 6 bits (group 16) have no m and are q * (d * s) - 2^(bits-1) * (d * s)
// All quantised rows are one LSB-first bit stream, viewed as little-endian u32 words.
#include <cstddef>
#include <cstdint>

#include "core/buffer.h"
#include "core/dtype.h"

namespace varve::ops {

enum class Encoding : uint8_t { dense, affine, mxfp4, nvfp4, mxfp8, fp8, kquant };

/// Inputs that share d and e of a kquant row.
inline constexpr int kSuperGroup = 256;

struct WeightFormat {
  Encoding encoding = Encoding::dense;
  DType dtype = DType::f32;  // dense: f32, f16, bf16; affine: that of scales and biases; else f32
  int bits = 0;              // quantised: bits per weight
  int group = 0;             // quantised: inputs per scale
  bool operator==(const WeightFormat&) const = default;
  /// Scales of a row of `cols` inputs; quantised only.
  int64_t groups(int64_t cols) const { return (cols + group - 1) / group; }
  /// A table of biases beside that of scales: affine, and kquant with minima.
  bool has_biases() const {
    return encoding == Encoding::affine || (encoding == Encoding::kquant && bits != 3 && bits != 6);
  }
};

/// Pointers into the checkpoint (or into a buffer its reader made). May be unaligned.
struct WeightView {
  WeightFormat format;
  int64_t rows = 0;                   // outputs
  int64_t cols = 0;                   // inputs
  const std::byte* data = nullptr;    // dense numbers or words: rows x row_bytes()
  const std::byte* scales = nullptr;  // [rows, groups], quantised only; kquant: for every 256 inputs d, then
                                      // their s
  const std::byte* biases = nullptr;  // [rows, groups], where has_biases(); kquant: e, then the m, likewise
  /// Bytes of one row of `data`.
  int64_t row_bytes() const;
  /// Bytes of one row of `scales` (and of `biases`).
  int64_t scale_row_bytes() const;
  /// Bytes of data, scales and biases together.
  int64_t total_bytes() const;
};

/// Dequantises rows [row, row+count) to float32, out [count, cols]. The plain definition of the format:
/// slow, exact (q * scale + bias in f32 with one rounding of each operation for affine).
void dequantize_rows(const WeightView& weight, int64_t row, int64_t count, float* out);

/// The same words, permuted once at load into tiles of 16 output rows that the kernels stream
/// front to back. The permutation keeps every bit; the layout is in ops/tile.h.
struct PackedWeight {
  WeightFormat format;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t block_bytes = 0;  // bytes of one block of 16 rows over all columns
  Buffer tiles;             // ceil(rows/16) blocks; rows past the end are zero
  bool empty() const { return rows == 0; }
};

/// Packs a matrix.
PackedWeight pack(const WeightView& weight);

/// One row of a packed matrix as float32, bit-equal to dequantize_rows: out [cols].
void unpack_row(const PackedWeight& weight, int64_t row, float* out);

}  // namespace varve::ops
