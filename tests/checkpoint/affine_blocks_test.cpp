// GGUF blocks as affine words: the same numbers as the blocks themselves, bit for bit in float32.
#include <cmath>
#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_types.h"
#include "checkpoint/refusal.h"
#include "support/bytes.h"
#include "support/data.h"

namespace varve::checkpoint {
namespace {

constexpr BlockType kBlocks[] = {BlockType::q4_0, BlockType::q4_1, BlockType::q5_0, BlockType::q5_1,
                                 BlockType::q8_0};

uint16_t half(std::span<const std::byte> bytes, size_t at) {
  uint16_t bits = 0;
  std::memcpy(&bits, &bytes[at], 2);
  return bits;
}

/// One block by the formulas of the ggml library, in float32: out [32].
void dequantize_block(BlockType type, std::span<const std::byte> block, float* out) {
  const float d = f16_to_f32(half(block, 0));
  const auto byte = [&](size_t at) { return std::to_integer<int>(block[at]); };
  if (type == BlockType::q8_0) {
    for (size_t j = 0; j < 32; ++j) out[j] = static_cast<float>(static_cast<int8_t>(byte(2 + j))) * d;
    return;
  }
  const bool minimum = type == BlockType::q4_1 || type == BlockType::q5_1;
  const bool five = type == BlockType::q5_0 || type == BlockType::q5_1;
  const float m = minimum ? f16_to_f32(half(block, 2)) : 0.f;
  const size_t head = minimum ? 4 : 2;
  const size_t codes = head + (five ? 4 : 0);
  for (size_t j = 0; j < 32; ++j) {
    int code = j < 16 ? byte(codes + j) & 15 : byte(codes + j - 16) >> 4;
    if (five) code |= ((byte(head + j / 8) >> (j % 8)) & 1) << 4;
    if (minimum)
      out[j] = static_cast<float>(code) * d + m;
    else
      out[j] = static_cast<float>(code - (five ? 16 : 8)) * d;
  }
}

/// Affine words as MLX defines them: one bit stream per row, lowest bit first; code * scale + bias.
float affine_number(const AffineWords& words, int64_t cols, int64_t row, int64_t col) {
  uint64_t bit = static_cast<uint64_t>(row * cols + col) * static_cast<uint64_t>(words.bits);
  int code = 0;
  for (int i = 0; i < words.bits; ++i, ++bit)
    code |= ((std::to_integer<int>(words.words[bit / 8]) >> (bit % 8)) & 1) << i;
  const auto number = [&](const std::vector<std::byte>& list) {
    const auto at = static_cast<size_t>(row * cols + col) / 32;
    if (words.scale_dtype == DType::f16) return f16_to_f32(half(list, at * 2));
    float value = 0;
    std::memcpy(&value, &list[at * 4], 4);
    return value;
  };
  return static_cast<float>(code) * number(words.scales) + number(words.biases);
}

struct Blocks {
  std::string bytes;
  Tensor tensor;
};

/// Random blocks; scales go through `scale`, given random bits of a half.
template <class Scale>
Blocks random_blocks(BlockType type, std::vector<int64_t> shape, Scale scale) {
  std::mt19937 random(static_cast<unsigned>(type) + 1);
  Blocks made;
  const int64_t numbers = shape[0] * shape[1] * (shape.size() > 2 ? shape[2] : 1);
  for (int64_t b = 0; b < numbers / 32; ++b) {
    std::string block(static_cast<size_t>(block_bytes(type)), '\0');
    for (char& c : block) c = static_cast<char>(random());
    const size_t halves = type == BlockType::q4_1 || type == BlockType::q5_1 ? 2 : 1;
    for (size_t i = 0; i < halves; ++i) {
      const uint16_t bits = scale(static_cast<uint16_t>(random()));
      std::memcpy(&block[2 * i], &bits, 2);
    }
    made.bytes += block;
  }
  made.tensor = {.dtype = DType::u8, .block = type, .shape = std::move(shape), .bytes = {}, .file = nullptr};
  return made;
}

/// Compares every number; the sign of a zero may differ (0 * -d is -0, 8 * -d + 8d is +0).
void expect_equal(const Blocks& blocks, const AffineWords& words, int64_t first_row, int64_t rows) {
  const int64_t cols = blocks.tensor.shape.back();
  const auto size = static_cast<size_t>(block_bytes(blocks.tensor.block));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t b = 0; b < cols / 32; ++b) {
      float direct[32];
      const auto at = static_cast<size_t>((first_row + row) * cols / 32 + b) * size;
      dequantize_block(blocks.tensor.block, blocks.tensor.bytes.subspan(at, size), direct);
      for (int64_t j = 0; j < 32; ++j) {
        const float affine = affine_number(words, cols, row, b * 32 + j);
        if (direct[j] == 0.f)
          ASSERT_EQ(affine, 0.f);
        else
          ASSERT_EQ(std::bit_cast<uint32_t>(affine), std::bit_cast<uint32_t>(direct[j]))
              << block_name(blocks.tensor.block) << " row " << row << " block " << b << " number " << j;
      }
    }
}

uint16_t ordinary(uint16_t bits) {
  return static_cast<uint16_t>((bits & 0x9fffu) | 0x1000u);
}  // up to 2^-6 or so

TEST(AffineBlocks, TheSameNumbersInHalfPrecisionScales) {
  for (const BlockType type : kBlocks) {
    Blocks blocks = random_blocks(type, {5, 96}, ordinary);
    blocks.tensor.bytes = test::as_bytes(blocks.bytes);
    const AffineWords words = affine_from_blocks(blocks.tensor);
    EXPECT_EQ(words.scale_dtype, DType::f16) << block_name(type);
    EXPECT_EQ(words.words.size(), static_cast<size_t>(5 * 96 * words.bits / 8));
    EXPECT_EQ(words.scales.size(), 5u * 3 * 2);
    EXPECT_EQ(words.biases.size(), 5u * 3 * 2);
    expect_equal(blocks, words, 0, 5);
  }
}

TEST(AffineBlocks, EveryHalfAsScale) {
  for (const BlockType type : kBlocks) {
    uint32_t next = 0;
    Blocks blocks = random_blocks(type, {2048, 1024}, [&](uint16_t) {
      const auto bits = static_cast<uint16_t>(next++);
      return (bits & 0x7c00u) == 0x7c00u ? uint16_t{0x3c00} : bits;  // all but infinities and NaNs
    });
    blocks.tensor.bytes = test::as_bytes(blocks.bytes);
    const AffineWords words = affine_from_blocks(blocks.tensor);
    const bool minimum = type == BlockType::q4_1 || type == BlockType::q5_1;
    EXPECT_EQ(words.scale_dtype, minimum ? DType::f16 : DType::f32) << block_name(type);
    expect_equal(blocks, words, 0, 2048);
  }
}

TEST(AffineBlocks, ScalesAreWidenedExactlyWhereTheBiasNeedsIt) {
  struct Case {
    BlockType type;
    float fits, too_large;
  };
  for (const Case& c : {Case{BlockType::q8_0, 511.5f, 512.f}, Case{BlockType::q5_0, 4092.f, 4096.f},
                        Case{BlockType::q4_0, 8184.f, 8192.f}})
    for (const float scale : {c.fits, -c.fits, c.too_large, -c.too_large, 0x1p-24f}) {
      Blocks blocks = random_blocks(c.type, {1, 32}, [&](uint16_t) { return f32_to_f16(scale); });
      blocks.tensor.bytes = test::as_bytes(blocks.bytes);
      const AffineWords words = affine_from_blocks(blocks.tensor);
      EXPECT_EQ(words.scale_dtype, std::fabs(scale) == c.too_large ? DType::f32 : DType::f16)
          << block_name(c.type) << " " << scale;
      expect_equal(blocks, words, 0, 1);
    }
}

TEST(AffineBlocks, RowsOfAStack) {
  Blocks blocks = random_blocks(BlockType::q5_1, {3, 4, 64}, ordinary);
  blocks.tensor.bytes = test::as_bytes(blocks.bytes);
  const AffineWords all = affine_from_blocks(blocks.tensor);
  for (const int64_t expert : {0, 1, 2}) {
    const AffineWords one = affine_from_blocks(blocks.tensor, expert * 4, 4);
    expect_equal(blocks, one, expert * 4, 4);
    const size_t bytes = one.words.size();
    EXPECT_TRUE(std::equal(one.words.begin(), one.words.end(),
                           all.words.begin() + static_cast<long>(expert * bytes)));
  }
  EXPECT_TRUE(affine_from_blocks(blocks.tensor, 12, 0).words.empty());
  EXPECT_DEATH(affine_from_blocks(blocks.tensor, 9, 4), "rows out of range");
}

TEST(AffineBlocks, Mxfp4BlocksOfSomeRows) {
  std::vector<std::byte> bytes;  // 3 rows of 64 inputs; block b: exponent 100 + b, byte j: codes j and 15 - j
  for (int b = 0; b < 6; ++b) {
    bytes.push_back(static_cast<std::byte>(100 + b));
    for (int j = 0; j < 16; ++j) bytes.push_back(static_cast<std::byte>(j | (15 - j) << 4));
  }
  Tensor tensor;
  tensor.dtype = DType::u8;
  tensor.block = BlockType::mxfp4;
  tensor.shape = {3, 64};
  tensor.bytes = bytes;
  const Mxfp4Words words = mxfp4_from_blocks(tensor, 1, 2);
  ASSERT_EQ(words.scales.size(), 4u);
  ASSERT_EQ(words.words.size(), 64u);
  for (size_t b = 0; b < 4; ++b) {
    EXPECT_EQ(std::to_integer<size_t>(words.scales[b]), 102 + b);
    for (size_t k = 0; k < 32; ++k) {  // the low half of a block's bytes comes first
      const int code = std::to_integer<int>(words.words[b * 16 + k / 2]) >> (4 * (k % 2)) & 15;
      EXPECT_EQ(code, static_cast<int>(k < 16 ? k : 31 - k)) << k;
    }
  }
  EXPECT_DEATH(mxfp4_from_blocks(tensor, 2, 2), "no such rows");
}

TEST(AffineBlocks, AScaleThatIsNoNumberIsRefused) {
  for (const BlockType type : kBlocks)
    for (const uint16_t bad : {uint16_t{0x7c00}, uint16_t{0xfc00}, uint16_t{0x7e01}}) {
      Blocks blocks = random_blocks(type, {1, 32}, [&](uint16_t) { return bad; });
      blocks.tensor.bytes = test::as_bytes(blocks.bytes);
      EXPECT_THAT(test::refusal_of([&] { affine_from_blocks(blocks.tensor); }),
                  ::testing::HasSubstr("no finite number"));
    }
}

}  // namespace
}  // namespace varve::checkpoint
