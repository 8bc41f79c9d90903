// GGUF's blocks of 32 as MLX's affine words. A block is 32 numbers of one row:
// clang-format off
//   Q4_0  d f16, 16 bytes            (code - 8) * d    code j in the low, j + 16 in the high half of byte j
//   Q4_1  d, m f16, 16 bytes         code * d + m
//   Q5_0  d f16, u32 h, 16 bytes     (code - 16) * d   bit j of h is the fifth bit of code j
//   Q5_1  d, m f16, u32 h, 16 bytes  code * d + m
//   Q8_0  d f16, 32 int8             number * d        code = number + 128
// clang-format on
// Source: the dequantisation functions of the ggml library. A code has at most 8 bits and d 11, so code * d
// is exact in float32, and so is its sum with -8d, -16d or -128d: the affine form gives the same numbers.
#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "checkpoint/checkpoint.h"
#include "checkpoint/code_stream.h"
#include "checkpoint/gguf_types.h"
#include "checkpoint/refuse.h"
#include "core/checked.h"

namespace varve::checkpoint {

namespace {

constexpr int kBlock = 32;

/// What tells the five formats apart.
struct Form {
  int bits = 0;
  bool has_minimum = false;
  float offset = 0;  // bias = -offset * d where there is no minimum
};

Form form_of(BlockType block) {
  switch (block) {
    case BlockType::q4_0:
      return {4, false, 8};
    case BlockType::q4_1:
      return {4, true, 0};
    case BlockType::q5_0:
      return {5, false, 16};
    case BlockType::q5_1:
      return {5, true, 0};
    case BlockType::q8_0:
      return {8, false, 128};
    default:
      break;
  }
  check(false, "affine_from_blocks of another tensor");
  return {};
}

uint16_t half_at(const std::byte* at) {
  uint16_t bits = 0;
  std::memcpy(&bits, at, 2);
  return bits;
}

/// Bits of codes j and j + 16 are in byte j of the halves; the fifth ones, if any, in the 32 bits before.
template <int kBits>
void read_codes(const std::byte* at, uint8_t* codes) {
  uint32_t fifth = 0;
  if constexpr (kBits == 5) {
    std::memcpy(&fifth, at, 4);
    at += 4;
  }
  for (int j = 0; j < kBlock / 2; ++j) {
    const auto byte = std::to_integer<uint32_t>(at[j]);
    codes[j] = static_cast<uint8_t>((byte & 15u) | (((fifth >> j) & 1u) << 4));
    codes[j + 16] = static_cast<uint8_t>((byte >> 4) | (((fifth >> (j + 16)) & 1u) << 4));
  }
}
template <>
void read_codes<8>(const std::byte* at, uint8_t* codes) {
  for (int j = 0; j < kBlock; ++j) codes[j] = std::to_integer<uint8_t>(at[j]) ^ 0x80u;
}

/// The words of `count` blocks of `size` bytes whose codes begin `head` bytes into each.
template <int kBits>
void write_words(const std::byte* block, int64_t count, int64_t size, int64_t head, std::byte* out) {
  for (int64_t b = 0; b < count; ++b, block += size, out += kBlock * kBits / 8) {
    uint8_t codes[kBlock];
    read_codes<kBits>(block + head, codes);
    write_codes<kBits>(codes, kBlock, out);
  }
}

/// Whether every bias of the blocks is a number of f16; refuses scales that are no numbers at all.
bool biases_fit_f16(const Form& form, std::span<const std::byte> blocks, int64_t block_size,
                    const std::string& file) {
  bool fit = true;
  for (size_t at = 0; at < blocks.size(); at += static_cast<size_t>(block_size)) {
    const float d = f16_to_f32(half_at(&blocks[at]));
    const float bias = form.has_minimum ? f16_to_f32(half_at(&blocks[at + 2])) : -form.offset * d;
    if (!std::isfinite(d) || !std::isfinite(bias))
      refuse(file, "a weight block has a scale that is no finite number",
             {.found = fmt::format("scale {}, bias {}", d, bias),
              .advice = "The file is damaged; download it again."});
    fit = fit && f16_to_f32(f32_to_f16(bias)) == bias;
  }
  return fit;
}

void put_number(DType dtype, float value, std::byte* out, int64_t index) {
  if (dtype == DType::f32) {
    std::memcpy(out + index * 4, &value, 4);
  } else {
    const uint16_t bits = f32_to_f16(value);
    std::memcpy(out + index * 2, &bits, 2);
  }
}

int64_t row_count(const Tensor& tensor) {
  const std::span<const int64_t> shape(tensor.shape);
  return shape.empty() ? 1 : checked_elements(shape.first(shape.size() - 1)).value_or(0);
}

}  // namespace

Mxfp4Words mxfp4_from_blocks(const Tensor& tensor, int64_t first, int64_t count) {
  check(tensor.block == BlockType::mxfp4 && first >= 0 && count >= 0 && first <= row_count(tensor) - count,
        "mxfp4_from_blocks: no such rows");
  const int64_t row_blocks = tensor.shape.empty() ? 0 : tensor.shape.back() / kBlock;
  const int64_t size = block_bytes(tensor.block);
  const std::byte* in = tensor.bytes.data() + first * row_blocks * size;
  Mxfp4Words out;
  out.scales.resize(static_cast<size_t>(count * row_blocks));
  out.words.resize(out.scales.size() * kBlock / 2);
  for (size_t b = 0; b < out.scales.size(); ++b) out.scales[b] = in[static_cast<int64_t>(b) * size];
  write_words<4>(in, count * row_blocks, size, 1, out.words.data());
  return out;
}

AffineWords affine_from_blocks(const Tensor& tensor) {
  return affine_from_blocks(tensor, 0, row_count(tensor));
}

AffineWords affine_from_blocks(const Tensor& tensor, int64_t first, int64_t count) {
  check(first >= 0 && count >= 0 && first <= row_count(tensor) - count,
        "affine_from_blocks: rows out of range");
  const Form form = form_of(tensor.block);
  const int64_t block_size = block_bytes(tensor.block);
  const int64_t row_blocks = tensor.shape.empty() ? 0 : tensor.shape.back() / kBlock;
  const int64_t blocks = count * row_blocks;
  const std::span<const std::byte> in = tensor.bytes.subspan(
      static_cast<size_t>(first * row_blocks * block_size), static_cast<size_t>(blocks * block_size));

  AffineWords out{.bits = form.bits, .scale_dtype = DType::f16, .words = {}, .scales = {}, .biases = {}};
  if (!biases_fit_f16(form, in, block_size, tensor.file ? tensor.file->path().string() : ""))
    out.scale_dtype = DType::f32;
  const auto scale_bytes = static_cast<size_t>(blocks * dtype_size(out.scale_dtype));
  out.words.resize(static_cast<size_t>(blocks * kBlock * form.bits / 8));
  out.scales.resize(scale_bytes);
  out.biases.resize(scale_bytes);

  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = in.data() + b * block_size;
    const float d = f16_to_f32(half_at(block));
    put_number(out.scale_dtype, d, out.scales.data(), b);
    put_number(out.scale_dtype, form.has_minimum ? f16_to_f32(half_at(block + 2)) : -form.offset * d,
               out.biases.data(), b);
  }
  const auto write = form.bits == 4 ? write_words<4> : form.bits == 5 ? write_words<5> : write_words<8>;
  write(in.data(), blocks, block_size, form.has_minimum ? 4 : 2, out.words.data());
  return out;
}

}  // namespace varve::checkpoint
