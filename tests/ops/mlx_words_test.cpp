#include "ops/mlx_words.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/weights.h"

namespace varve::ops {
namespace {

/// The matrix with tables of `dtype` in place of its products.
std::vector<float> numbers_as_affine(const WeightView& matrix, DType dtype) {
  WeightView affine = matrix;
  affine.format = {Encoding::affine, dtype, matrix.format.bits, 32};
  std::vector<std::byte> scales(static_cast<size_t>(affine.rows * affine.scale_row_bytes()));
  std::vector<std::byte> biases(scales.size());
  EXPECT_TRUE(affine_tables(matrix, dtype, scales.data(), biases.data()));
  affine.scales = scales.data();
  affine.biases = biases.data();
  std::vector<float> numbers(static_cast<size_t>(affine.rows * affine.cols));
  dequantize_rows(affine, 0, affine.rows, numbers.data());
  return numbers;
}

TEST(MlxWords, FormatsThatMlxHas) {
  const auto kquant = [](int bits, int group) {
    return WeightFormat{Encoding::kquant, DType::f32, bits, group};
  };
  const auto affine = [](int bits) { return WeightFormat{Encoding::affine, DType::f16, bits, 32}; };
  EXPECT_EQ(mlx_format(kquant(4, 32)), affine(4));
  EXPECT_EQ(mlx_format(kquant(5, 32)), affine(5));
  for (const int bits : {2, 3, 6}) EXPECT_EQ(mlx_format(kquant(bits, 16)), affine(8));
  for (const WeightFormat& format : test::all_weight_formats())
    if (format.encoding != Encoding::kquant) {
      EXPECT_EQ(mlx_format(format), format);
    }
}

TEST(MlxWords, TablesInFloat32AreTheProducts) {
  for (const int bits : {4, 5}) {
    const test::RandomMatrix matrix({Encoding::kquant, DType::f32, bits, 32}, 7, 768, 5, true);
    std::vector<float> numbers(7 * 768);
    dequantize_rows(matrix.view(), 0, 7, numbers.data());
    EXPECT_EQ(numbers_as_affine(matrix.view(), DType::f32), numbers);
    const std::vector<float> halves = numbers_as_affine(matrix.view(), DType::f16);
    double error = 0, size = 0;
    for (size_t i = 0; i < numbers.size(); ++i) {
      error += std::pow(halves[i] - numbers[i], 2);
      size += std::pow(numbers[i], 2);
    }
    EXPECT_LT(std::sqrt(error / size), 7e-4);
  }
}

TEST(MlxWords, AProductBeyondFloat16IsSaid) {
  std::vector<std::byte> data(128), scales(10, std::byte{2}), biases(10, std::byte{1});
  const uint16_t most = f32_to_f16(65504.0f);
  std::memcpy(scales.data(), &most, 2);
  const WeightView view{.format = {Encoding::kquant, DType::f32, 4, 32},
                        .rows = 1,
                        .cols = 256,
                        .data = data.data(),
                        .scales = scales.data(),
                        .biases = biases.data()};
  std::vector<std::byte> out(32), more(32);
  EXPECT_FALSE(affine_tables(view, DType::f16, out.data(), more.data()));
  EXPECT_TRUE(affine_tables(view, DType::f32, out.data(), more.data()));
}

}  // namespace
}  // namespace varve::ops
