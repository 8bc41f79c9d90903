#include "ops/tile.h"

#include <algorithm>
#include <cstring>

#include "core/checked.h"
#include "core/error.h"
#include "ops/bits.h"

namespace varve::ops {

namespace {

bool known(const WeightFormat& f) {
  const bool number = f.dtype == DType::f32 || f.dtype == DType::f16 || f.dtype == DType::bf16;
  switch (f.encoding) {
    case Encoding::dense:
      return number;
    case Encoding::affine:
      return number && f.bits >= 2 && f.bits <= 8 && f.bits != 7 &&
             (f.group == 32 || f.group == 64 || f.group == 128);
    case Encoding::mxfp4:
      return f.bits == 4 && f.group == 32;
    case Encoding::nvfp4:
      return f.bits == 4 && f.group == 16;
    case Encoding::mxfp8:
      return f.bits == 8 && f.group == 32;
    case Encoding::fp8:
      return f.bits == 8 && f.dtype == DType::f32 && (f.group == 32 || f.group == 64 || f.group == 128);
    case Encoding::kquant:
      return f.bits >= 2 && f.bits <= 6 && f.group == (f.bits == 4 || f.bits == 5 ? 32 : 16);
  }
  return false;
}

ScaleType scale_type_of(const WeightFormat& f) {
  if (f.encoding == Encoding::dense) return ScaleType::none;
  if (f.encoding == Encoding::nvfp4) return ScaleType::e4m3;
  if (f.encoding == Encoding::kquant) return ScaleType::product;
  if (f.encoding != Encoding::affine && f.encoding != Encoding::fp8) return ScaleType::e8m0;
  return f.dtype == DType::f32 ? ScaleType::f32 : f.dtype == DType::f16 ? ScaleType::f16 : ScaleType::bf16;
}

}  // namespace

int64_t scale_size(ScaleType type) {
  switch (type) {
    case ScaleType::none:
      return 0;
    case ScaleType::f32:
      return 4;
    case ScaleType::f16:
    case ScaleType::bf16:
      return 2;
    default:
      return 1;
  }
}

TileLayout tile_layout(const WeightFormat& format, int64_t cols) {
  check(known(format) && cols > 0, "a weight format that no kernel knows");
  TileLayout layout;
  layout.scale_type = scale_type_of(format);
  if (format.encoding == Encoding::dense) {
    layout.chunk = kMaxChunk;
    layout.bits = static_cast<int>(8 * dtype_size(format.dtype));
    layout.padded_cols = round_up(cols, kBlockRows);
    layout.groups = layout.chunks = divide_up(cols, kMaxChunk);
    layout.chunk_bytes = kMaxChunk * kBlockRows * layout.bits / 8;
    layout.block_bytes = layout.padded_cols * kBlockRows * layout.bits / 8;
    return layout;
  }
  const bool padded = format.encoding == Encoding::fp8;
  const bool super = format.encoding == Encoding::kquant;
  check(padded || cols % (super ? kSuperGroup : format.group) == 0,
        "inputs that are no multiple of the quantisation group");
  layout.chunk = std::min(format.group, kMaxChunk);
  layout.chunks_per_group = format.group / layout.chunk;
  layout.groups_per_tile = super ? kSuperGroup / format.group : scale_size(layout.scale_type) == 1 ? 4 : 1;
  layout.bits = format.bits;
  const int tables = format.has_biases() ? 2 : 1;
  if (super) layout.centre = centre_of(format);
  if (super) layout.front_bytes = kFrontBytes;
  layout.header_bytes = tables * kBlockRows * scale_size(layout.scale_type);
  layout.chunk_bytes = kBlockRows * layout.chunk * format.bits / 8;
  layout.groups = format.groups(cols);
  layout.chunks = divide_up(cols, layout.chunk);
  layout.padded_cols = padded ? round_up(cols, kBlockRows) : cols;
  layout.block_bytes = divide_up(layout.groups, layout.groups_per_tile) * layout.front_bytes +
                       layout.groups * layout.header_bytes +
                       kBlockRows * layout.padded_cols * layout.bits / 8;
  return layout;
}

namespace {

constexpr uint64_t low_bits(int count) { return (uint64_t{1} << count) - 1; }

/// Spreads 8 codes of `Bits`, packed in the low bits of `x`, to one byte each.
template <int Bits>
uint64_t spread(uint64_t x) {
  if constexpr (Bits == 8) return x;
  constexpr uint64_t kFour = low_bits(4 * Bits);
  constexpr uint64_t kTwo = low_bits(2 * Bits) * 0x0000000100000001u;
  constexpr uint64_t kOne = low_bits(Bits) * 0x0001000100010001u;
  x = (x & kFour) | ((x & (kFour << 4 * Bits)) << (32 - 4 * Bits));
  x = (x & kTwo) | ((x & (kTwo << 2 * Bits)) << (16 - 2 * Bits));
  return (x & kOne) | ((x & (kOne << Bits)) << (8 - Bits));
}

/// `count` codes (a multiple of 8) of a row's stream, one byte each.
template <int Bits>
void expand(const std::byte* stream, int count, uint8_t* codes) {
  for (int k = 0; k < count; k += 8, stream += Bits) {
    uint64_t word = 0;
    std::memcpy(&word, stream, Bits);
    word = spread<Bits>(word);
    std::memcpy(codes + k, &word, 8);
  }
}

/// Writes one bit plane of one row: `Width` bits of each code from bit `shift` up, words 16 lanes apart.
template <int Width>
void write_plane(const uint8_t* codes, int count, int shift, std::byte* out) {
  constexpr int kQuads = 8 / Width;  // groups of 4 inputs in a word
  constexpr uint32_t kMask = (low_bits(Width) * 0x01010101u) & 0xffffffffu;
  for (int k = 0; k < count; k += 4 * kQuads, out += 4 * kBlockRows) {
    uint32_t word = 0;
    for (int quad = 0; quad < kQuads; ++quad) {
      uint32_t four = 0;
      std::memcpy(&four, codes + k + 4 * quad, 4);
      word |= ((four >> shift) & kMask) << (quad * Width);
    }
    std::memcpy(out, &word, 4);
  }
}

/// The highest bits of three of 16 inputs, where a plane of one bit has no whole word.
void write_half_plane(const uint8_t* codes, std::byte* out) {
  uint32_t half = 0;
  for (int k = 0; k < 16; ++k) half |= static_cast<uint32_t>(codes[k] >> 2 & 1) << (k % 4 * 4 + k / 4);
  const auto stored = static_cast<uint16_t>(half);
  std::memcpy(out, &stored, 2);
}

/// Row `r`'s share of one chunk.
template <int Bits>
void pack_codes(const std::byte* stream, int count, int64_t r, std::byte* chunk) {
  uint8_t codes[kMaxChunk];
  expand<Bits>(stream, count, codes);
  constexpr int kWide = Bits >= 8 ? 8 : Bits >= 4 ? 4 : 2;
  std::byte* out = chunk + 4 * r;
  write_plane<kWide>(codes, count, 0, out);
  if (Bits == 3 && count == 16) return write_half_plane(codes, chunk + kBlockRows * 4 + 2 * r);
  if constexpr (Bits > kWide)
    write_plane<Bits - kWide>(codes, count, kWide, out + kBlockRows * count * kWide / 8);
}

using PackCodes = void (*)(const std::byte*, int, int64_t, std::byte*);

PackCodes packer(int bits) {
  switch (bits) {
    case 2:
      return pack_codes<2>;
    case 3:
      return pack_codes<3>;
    case 4:
      return pack_codes<4>;
    case 5:
      return pack_codes<5>;
    case 6:
      return pack_codes<6>;
    default:
      return pack_codes<8>;
  }
}

/// Offsets into a block.
struct Place {
  int64_t tile, header, chunk;
};

/// Walks the groups of one block: where its tile, its header and its first chunk begin.
template <class Visit>
void for_groups(const TileLayout& layout, const Visit& visit) {
  const int64_t group_bytes = layout.chunks_per_group * layout.chunk_bytes;
  int64_t at = 0;
  for (int64_t first = 0; first < layout.groups; first += layout.groups_per_tile) {
    const int64_t n = std::min<int64_t>(layout.groups_per_tile, layout.groups - first);
    for (int64_t i = 0; i < n; ++i)
      visit(first + i, Place{at, at + layout.front_bytes + i * layout.header_bytes,
                             at + layout.front_bytes + n * layout.header_bytes + i * group_bytes});
    at += layout.front_bytes + n * (layout.header_bytes + group_bytes);
  }
}

/// Row `row`'s share of the chunk from input `first` on, padded with zeros where the row ends in it.
void pack_chunk(const WeightView& weight, const TileLayout& layout, int64_t row, int64_t first,
                std::byte* chunk) {
  const PackCodes pack_row = packer(layout.bits);
  const std::byte* stream = weight.data + row * weight.row_bytes() + first * layout.bits / 8;
  const int64_t r = row % kBlockRows;
  if (first + layout.chunk <= weight.cols) return pack_row(stream, layout.chunk, r, chunk);
  std::byte padded[kMaxChunk] = {};
  std::memcpy(padded, stream, static_cast<size_t>((weight.cols - first) * layout.bits / 8));
  pack_row(padded, static_cast<int>(layout.padded_cols - first), r, chunk);
}

/// Scale and bias of one group of row `row`, and with the first of a tile what its groups share.
void pack_scales(const WeightView& weight, const TileLayout& layout, int64_t row, int64_t group,
                 const Place& place, std::byte* out) {
  const int64_t r = row % kBlockRows, begin = row * weight.scale_row_bytes();
  const auto size = static_cast<size_t>(scale_size(layout.scale_type));
  const bool biases = weight.format.has_biases();
  int64_t at = begin + group * static_cast<int64_t>(size);
  if (layout.scale_type == ScaleType::product) {
    const int64_t groups = layout.groups_per_tile, record = begin + group / groups * (2 + groups);
    at = record + 2 + group % groups;
    if (group % groups == 0) {
      std::byte* front = out + place.tile + 2 * r;
      std::memcpy(front, weight.scales + record, 2);
      if (biases) std::memcpy(front + kBlockRows * 2, weight.biases + record, 2);
    }
  }
  std::byte* header = out + place.header + r * static_cast<int64_t>(size);
  std::memcpy(header, weight.scales + at, size);
  if (biases) std::memcpy(header + kBlockRows * static_cast<int64_t>(size), weight.biases + at, size);
}

void pack_quantized_block(const WeightView& weight, const TileLayout& layout, int64_t row, std::byte* out) {
  const int64_t count = std::min(kBlockRows, weight.rows - row);
  for_groups(layout, [&](int64_t group, const Place& place) {
    for (int64_t r = 0; r < count; ++r) {
      pack_scales(weight, layout, row + r, group, place, out);
      const int64_t begin = group * layout.chunks_per_group;
      const int64_t end = std::min(begin + layout.chunks_per_group, layout.chunks);
      for (int64_t i = begin; i < end; ++i)
        pack_chunk(weight, layout, row + r, i * layout.chunk,
                   out + place.chunk + (i - begin) * layout.chunk_bytes);
    }
  });
}

/// Transposes elements of T: out[k][16] = in[r][k].
template <class T>
void transpose_block(const WeightView& weight, int64_t row, int64_t cols, std::byte* out) {
  const int64_t count = std::min(kBlockRows, weight.rows - row);
  const int64_t row_bytes = weight.row_bytes();
  constexpr int64_t kRun = 64 / sizeof(T);  // a cache line of each row at a time
  for (int64_t k0 = 0; k0 < cols; k0 += kRun) {
    const int64_t end = std::min(k0 + kRun, cols);
    for (int64_t r = 0; r < count; ++r) {
      const std::byte* in = weight.data + (row + r) * row_bytes;
      for (int64_t k = k0; k < end; ++k)
        std::memcpy(out + (k * kBlockRows + r) * int64_t{sizeof(T)}, in + k * int64_t{sizeof(T)}, sizeof(T));
    }
  }
}

void pack_dense_block(const WeightView& weight, int64_t row, std::byte* out) {
  switch (weight.format.dtype) {
    case DType::f32:
      return transpose_block<uint32_t>(weight, row, weight.cols, out);
    case DType::f16:
      return transpose_block<uint16_t>(weight, row, weight.cols, out);
    default:
      break;
  }
  transpose_block<uint32_t>(weight, row, weight.cols / 2, out);  // bf16 moves in pairs
  if (weight.cols % 2 == 0) return;
  const int64_t last = weight.cols - 1;
  for (int64_t r = 0; r < std::min(kBlockRows, weight.rows - row); ++r)
    std::memcpy(out + (last / 2 * kBlockRows + r) * 4,
                weight.data + (row + r) * weight.row_bytes() + 2 * last, 2);
}

/// The code of row lane `r`, input `k` of a chunk.
uint32_t tile_code(const TileLayout& layout, const std::byte* chunk, int64_t r, int k) {
  const int wide = layout.bits >= 8 ? 8 : layout.bits >= 4 ? 4 : 2;
  const auto field = [&](const std::byte* plane, int width) {
    const int quads = 8 / width;
    const int64_t word = k / (4 * quads);
    const int quad = k / 4 % quads;
    const auto byte = static_cast<uint32_t>(plane[(word * kBlockRows + r) * 4 + k % 4]);
    return (byte >> (quad * width)) & static_cast<uint32_t>(low_bits(width));
  };
  uint32_t code = field(chunk, wide);
  if (layout.bits == 3 && layout.chunk == 16) {
    const auto half = load_unaligned<uint16_t>(chunk + kBlockRows * 4 + 2 * r);
    return code | (static_cast<uint32_t>(half) >> (k % 4 * 4 + k / 4) & 1) << 2;
  }
  if (layout.bits > wide)
    code |= field(chunk + kBlockRows * layout.chunk * wide / 8, layout.bits - wide) << wide;
  return code;
}

/// Scale and bias of row lane `r` of a group.
GroupScale tile_scale(const WeightFormat& format, const TileLayout& layout, const std::byte* block,
                      const Place& place, int64_t r) {
  const std::byte* header = block + place.header;
  if (layout.scale_type != ScaleType::product)
    return load_scale(format, header, header + kBlockRows * scale_size(layout.scale_type), r);
  const std::byte* front = block + place.tile + 2 * r;
  const float scale = product(front, header + r);
  return {scale, format.has_biases() ? -product(front + kBlockRows * 2, header + kBlockRows + r)
                                     : -layout.centre * scale};
}

}  // namespace

PackedWeight pack(const WeightView& weight) {
  const TileLayout layout = tile_layout(weight.format, weight.cols);
  PackedWeight packed;
  packed.format = weight.format;
  packed.rows = weight.rows;
  packed.cols = weight.cols;
  packed.block_bytes = layout.block_bytes;
  packed.tiles = Buffer(static_cast<size_t>(divide_up(weight.rows, kBlockRows) * layout.block_bytes));
  for (int64_t row = 0; row < weight.rows; row += kBlockRows) {
    std::byte* out = packed.tiles.data() + row / kBlockRows * layout.block_bytes;
    if (weight.format.encoding == Encoding::dense)
      pack_dense_block(weight, row, out);
    else
      pack_quantized_block(weight, layout, row, out);
  }
  return packed;
}

void unpack_row(const PackedWeight& weight, int64_t row, float* out) {
  check(row >= 0 && row < weight.rows, "row beyond the matrix");
  const WeightFormat& format = weight.format;
  const TileLayout layout = tile_layout(format, weight.cols);
  const std::byte* block = weight.tiles.data() + row / kBlockRows * weight.block_bytes;
  const int64_t r = row % kBlockRows;
  if (format.encoding == Encoding::dense) {
    const bool pairs = format.dtype == DType::bf16;
    for (int64_t k = 0; k < weight.cols; ++k)
      out[k] =
          load_float(format.dtype, block, pairs ? (k / 2 * kBlockRows + r) * 2 + k % 2 : k * kBlockRows + r);
    return;
  }
  for_groups(layout, [&](int64_t group, const Place& place) {
    const GroupScale scale = tile_scale(format, layout, block, place, r);
    const int64_t begin = group * format.group, end = std::min(begin + format.group, weight.cols);
    for (int64_t k = begin; k < end; ++k) {
      const std::byte* part = block + place.chunk + (k - begin) / layout.chunk * layout.chunk_bytes;
      out[k] = decode(format, tile_code(layout, part, r, static_cast<int>(k % layout.chunk)), scale);
    }
  });
}

}  // namespace varve::ops
