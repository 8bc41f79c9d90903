#pragma once
// The layout of PackedWeight: what the linear kernels stream.
//
// A block is 16 output rows over all inputs; blocks follow each other. A block is a run of tiles; a tile is
// `groups_per_tile` scale groups (fewer at the end of a row): first what they share, then the headers of all
// of them, then their chunks. Everything is laid out so that a row is a lane: 16 numbers side by side belong
// to 16 rows.
//
//   front   kquant, whose tiles are 256 inputs: d[16], e[16], 64 bytes in any case
//   header  of one group: scales[16], then biases[16] where the format has them, in the checkpoint's number
//   type;
//           kquant: s[16], then m[16], one byte each
//   chunk   the partial sum's unit: min(group, 64) inputs; a group of 128 has two chunks behind one header
//           quantised: bit planes, the widest first, as little-endian u32 words [word][16 rows]:
//             8-bit plane: word j holds inputs 4j..4j+3, one byte each
//             4-bit plane: word j holds 8j..8j+7:   byte b = input b | input (4 + b) << 4
//             2-bit plane: word j holds 16j..16j+15: byte b = inputs b, 4+b, 8+b, 12+b, lowest bits first
//             1-bit plane: word j holds 32j..32j+31 likewise
//           so any plane gives inputs 4n..4n+3 as the four bytes of a word by one shift and one mask.
//             but of chunks of 16: [16 rows] of u16, bit q of nibble b = input 4q + b
//           Codes of 3 bits are a 2-bit plane (low bits) and a 1-bit plane, 5 bits 4 + 1, 6 bits 4 + 2.
//           f32, f16: [input][16 rows]; bf16: [input / 2][16 rows][2]
// Dense matrices have no header. Their inputs, and those of fp8, are padded with zeros to a multiple of 16,
// so the last chunk may be short. Rows past the end of the matrix are zero.
#include <cstdint>

#include "ops/weight.h"

namespace varve::ops {

inline constexpr int64_t kBlockRows = 16;
inline constexpr int kMaxChunk = 64;
inline constexpr int64_t kFrontBytes = 64;

enum class ScaleType : uint8_t { none, f32, f16, bf16, e8m0, e4m3, product };

struct TileLayout {
  int chunk = 0;             // inputs
  int chunks_per_group = 1;  // 2 for groups of 128; a short last group may have fewer
  int groups_per_tile = 1;
  int bits = 0;  // of a code; dense: of a number
  ScaleType scale_type = ScaleType::none;
  float centre = 0;          // kquant without minima: bias = -centre * scale
  int64_t front_bytes = 0;   // of one tile
  int64_t header_bytes = 0;  // of one group
  int64_t chunk_bytes = 0;   // of one whole chunk
  int64_t groups = 0;        // in a row
  int64_t chunks = 0;        // in a row
  int64_t padded_cols = 0;   // cols, or what they are padded to
  int64_t block_bytes = 0;
};

/// The layout of a matrix with `cols` inputs. An unknown format is a bug in the caller (check).
TileLayout tile_layout(const WeightFormat& format, int64_t cols);

/// Bytes of one element of a scale table.
int64_t scale_size(ScaleType type);

}  // namespace varve::ops
