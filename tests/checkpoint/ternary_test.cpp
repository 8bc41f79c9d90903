// Ternary matrices as affine words: every weight against its definition.
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

#include "checkpoint/checkpoint.h"

namespace varve::checkpoint {
namespace {

/// Number `index` of a table of scales or biases.
float number_of(const AffineWords& words, const std::vector<std::byte>& table, int64_t index) {
  uint32_t bits = 0;
  const auto size = static_cast<size_t>(dtype_size(words.scale_dtype));
  std::memcpy(&bits, table.data() + static_cast<size_t>(index) * size, size);
  if (words.scale_dtype == DType::f32) return std::bit_cast<float>(bits);
  return words.scale_dtype == DType::f16 ? f16_to_f32(static_cast<uint16_t>(bits))
                                         : bf16_to_f32(static_cast<uint16_t>(bits));
}

float weight_of(const AffineWords& words, int64_t cols, int64_t row, int64_t col) {
  const int64_t at = row * cols + col;
  const auto byte = std::to_integer<uint32_t>(words.words[static_cast<size_t>(at / 4)]);
  const int64_t group = (row * cols + col) / words.group;
  return static_cast<float>((byte >> (2 * (at % 4))) & 3u) * number_of(words, words.scales, group) +
         number_of(words, words.biases, group);
}

TEST(Ternary, GroupsAreAsLargeAsTheInputsAllow) {
  EXPECT_EQ(ternary_group(2560), 128);
  EXPECT_EQ(ternary_group(6912), 128);
  EXPECT_EQ(ternary_group(192), 64);
  EXPECT_EQ(ternary_group(96), 32);
  EXPECT_EQ(ternary_group(48), 0);
  EXPECT_EQ(ternary_group(0), 0);
}

TEST(Ternary, EveryFieldOfAPackedByteIsARowOfAnotherQuarter) {
  for (const int64_t cols : {32, 192, 256})
    for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
      const int64_t quarter = 3;
      std::vector<std::byte> bytes(static_cast<size_t>(quarter * cols));
      std::mt19937 random(5);
      for (std::byte& b : bytes) b = static_cast<std::byte>(random());
      Tensor packed;
      packed.dtype = DType::u8;
      packed.shape = {quarter, cols};
      packed.bytes = bytes;
      const float step = 0.8125f;
      const AffineWords words = affine_from_ternary(packed, step, dtype);
      EXPECT_EQ(words.bits, 2);
      EXPECT_EQ(words.scale_dtype, dtype);
      for (int64_t row = 0; row < 4 * quarter; ++row)
        for (int64_t col = 0; col < cols; ++col) {
          const auto byte = std::to_integer<int>(bytes[static_cast<size_t>(row % quarter * cols + col)]);
          const int code = (byte >> (2 * (row / quarter))) & 3;
          ASSERT_EQ(weight_of(words, cols, row, col), static_cast<float>(code - 1) * step)
              << row << ' ' << col;
        }
    }
}

TEST(Ternary, PlainNumbersTakeTheMeanMagnitudeAsTheirStep) {
  const int64_t cols = 32;
  std::vector<float> weights(64);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = (static_cast<float>(i) - 31.5f) / 16.0f;
  // The magnitudes' mean is 1; halves would round to even, and there are none.
  const AffineWords words = ternarise(weights, cols, DType::bf16);
  for (int64_t i = 0; i < 64; ++i) {
    const float w = weights[static_cast<size_t>(i)];
    EXPECT_EQ(weight_of(words, cols, i / cols, i % cols), w > 0.5f ? 1.0f : w < -0.5f ? -1.0f : 0.0f) << w;
  }
}

TEST(Ternary, AStepOfPlainNumbersIsRoundedToTheirType) {
  std::vector<float> weights(32, 0.3f);
  EXPECT_EQ(weight_of(ternarise(weights, 32, DType::bf16), 32, 0, 0), bf16_to_f32(f32_to_bf16(0.3f)));
  std::fill(weights.begin(), weights.end(), 0.0f);  // the mean is never taken below 1e-5
  EXPECT_EQ(weight_of(ternarise(weights, 32, DType::f32), 32, 0, 31), 0.0f);
}

}  // namespace
}  // namespace varve::checkpoint
