// dequantize gives the bits of dequantize_rows, whatever the format.
#include <bit>

#include "kernels/backend.h"
#include "op_support.h"
#include "support/weights.h"

namespace varve::kernels::test {
namespace {

class Dequantize : public EveryTable {};
VARVE_EVERY_TABLE(Dequantize);

void expect_rows(const ops::WeightView& view, const std::vector<float>& found, int64_t row, int64_t count) {
  std::vector<float> expected(found.size());
  ops::dequantize_rows(view, row, count, expected.data());
  EXPECT_TRUE(same_bits(found, expected)) << varve::test::format_name(view.format) << " of " << view.cols;
}

TEST_P(Dequantize, EqualsTheDefinitionInEveryFormat) {
  for (const ops::WeightFormat& format : varve::test::all_weight_formats())
    for (const int64_t width :
         {1, 5, 33}) {  // groups, or sixteens and some of dense numbers; 33: several pieces
      const bool dense = format.encoding == ops::Encoding::dense;
      const int64_t cols = dense ? 16 * width + 7 : format.group * width;
      const varve::test::RandomMatrix matrix(format, 7, cols, 11, true);
      std::vector<float> found(static_cast<size_t>(4 * cols));
      kernels().dequantize({.weight = matrix.view(), .row = 2, .count = 4, .out = found.data()});
      expect_rows(matrix.view(), found, 2, 4);
    }
}

TEST_P(Dequantize, Fp8RowsMayEndAnywhereInAGroup) {
  for (const int group : {32, 64, 128})
    for (const int64_t cols : {1, 15, 16, 63, 65, 127, 130, 257, 2049}) {
      const varve::test::RandomMatrix matrix({ops::Encoding::fp8, DType::f32, 8, group}, 3, cols, 12, true);
      std::vector<float> found(static_cast<size_t>(3 * cols));
      kernels().dequantize({.weight = matrix.view(), .row = 0, .count = 3, .out = found.data()});
      expect_rows(matrix.view(), found, 0, 3);
    }
}

TEST_P(Dequantize, EveryCodeAndEveryScaleOfTheSmallFloats) {
  for (const ops::WeightFormat& format : {ops::WeightFormat{ops::Encoding::mxfp4, DType::f32, 4, 32},
                                          ops::WeightFormat{ops::Encoding::nvfp4, DType::f32, 4, 16},
                                          ops::WeightFormat{ops::Encoding::mxfp8, DType::f32, 8, 32}}) {
    const int64_t rows = 256, cols = 256;
    std::vector<std::byte> words, scales;
    for (int row = 0; row < rows; ++row) {
      for (int i = 0; i < cols * format.bits / 8; ++i) words.push_back(static_cast<std::byte>(i));
      scales.insert(scales.end(), static_cast<size_t>(format.groups(cols)), static_cast<std::byte>(row));
    }
    const ops::WeightView view{
        .format = format, .rows = rows, .cols = cols, .data = words.data(), .scales = scales.data()};
    std::vector<float> found(static_cast<size_t>(rows * cols)), expected(found.size());
    kernels().dequantize({.weight = view, .row = 0, .count = rows, .out = found.data()});
    ops::dequantize_rows(view, 0, rows, expected.data());
    for (size_t i = 0; i < found.size(); ++i) {
      if (std::isnan(expected[i]))
        ASSERT_TRUE(std::isnan(found[i])) << varve::test::format_name(format) << " " << i;
      else
        ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i]))
            << varve::test::format_name(format) << " " << i;
    }
  }
}

TEST(DequantizeOp, GivesTheSameOnAnyThreads) {
  const varve::test::RandomMatrix matrix({ops::Encoding::affine, DType::bf16, 4, 64}, 61, 1024);
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const auto backend = make_backend(forced_backend(), ops::Precision::fast, pool);
    std::vector<float> found(57 * 1024);
    backend.value()->dequantize({.weight = matrix.view(), .row = 3, .count = 57, .out = found.data()});
    expect_rows(matrix.view(), found, 3, 57);
  }
}

}  // namespace
}  // namespace varve::kernels::test
