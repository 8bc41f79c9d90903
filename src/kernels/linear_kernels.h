#pragma once
// What one instruction set offers to the linear driver (linear.cpp), and the prepared activations between
// the two.
//
// Activations are prepared once per call and activation format, in row tiles of up to kTileRows rows; a
// tile lies chunk by chunk, [chunk][row][inputs of the chunk], which is the order in which the kernels read.
// A chunk is the partial sum's unit of the weights (ops/tile.h); inputs past the end are zero.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ops/ops.h"
#include "ops/tile.h"

namespace varve::kernels {

inline constexpr int kTileRows = 64;
/// A chunk whose largest activation is not above this is taken for zero in int8: its scale would underflow.
inline constexpr float kTinyActivation = 1e-30f;

enum class ActKind : uint8_t {
  f32,    // as they are
  bf16,   // rounded to nearest even
  int8,   // round(x / scale), scale = max|x| / 127 over the chunk
  int16,  // two int8 digits: x ~ scale * (254 * high + low); four highs, four lows, and so on
};
/// The weight of the high digit of int16 activations: a remainder of half a step becomes 127.
inline constexpr int kHighDigit = 254;

struct ActFormat {
  ActKind kind = ActKind::f32;
  int chunk = 0;
  bool operator==(const ActFormat&) const = default;
  int64_t chunk_bytes() const { return chunk * (bytes_each()); }
  int bytes_each() const { return kind == ActKind::f32 ? 4 : kind == ActKind::int8 ? 1 : 2; }
  bool scaled() const { return kind == ActKind::int8 || kind == ActKind::int16; }
};

/// How a matrix is multiplied: the run's precision, and LinearArgs::fine.
struct Numerics {
  ops::Precision precision = ops::Precision::fast;
  bool fine = false;
};

/// Which activations a matrix is multiplied with. Integer codes of 2 to 8 bits (kquant among them) and fp4
/// take int8, or int16 where it is to be fine; bf16 and fp8 matrices take bf16 (all fp8 values are bf16
/// values); f32 and f16 matrices always take f32.
ActFormat activation_format(const ops::WeightFormat& format, Numerics numerics);

/// int8 and int16, per chunk and row: x ~ scale * code; sum = scale * (sum of the codes). `minus_sum16` = -16
/// * (sum of the codes): where weights are taken 16 above their value, the integer sum starts from it.
struct ActScale {
  float scale = 0;
  float sum = 0;
  int32_t minus_sum16 = 0;  // of int8 codes, or of the high digits
  int32_t minus_low16 = 0;  // of the low digits
};

/// A row tile.
struct ActTile {
  std::byte* values = nullptr;  // [chunks][rows][chunk]
  ActScale* scales = nullptr;   // [chunks][rows], where ActFormat::scaled()
  int rows = 0;
  /// From that scale on; null where there are none, and policies then look at none.
  const ActScale* scales_at(int64_t first) const { return scales ? scales + first : nullptr; }
};

/// Some blocks of one matrix against one row tile.
struct MatmulTask {
  const ops::PackedWeight* weight = nullptr;
  const ops::TileLayout* layout = nullptr;
  int64_t block_begin = 0;
  int64_t block_end = 0;
  ActTile x;
  const float* bias = nullptr;  // [weight rows] or null
  float* y = nullptr;           // of the tile's first row
  int64_t y_stride = 0;
  bool accumulate = false;
};

using Matmul = void (*)(const MatmulTask& task);

struct LinearKernels {
  std::string_view name;
  /// Prepares row `row` of `tile` from x [cols].
  void (*prepare)(const ActFormat& format, const float* x, int64_t cols, const ActTile& tile, int row);
  Matmul (*matmul)(const ops::WeightFormat& format, Numerics numerics);
  /// For kernels/probe.h: reads memory; runs the innermost instruction of the int8, bf16 and f32 kernels and
  /// returns the number of operations (a multiplication and an addition are two).
  void (*read)(const std::byte* begin, int64_t bytes);
  int64_t (*int8_operations)(int64_t iterations);
  int64_t (*bf16_operations)(int64_t iterations);
  int64_t (*f32_operations)(int64_t iterations);
};

}  // namespace varve::kernels
