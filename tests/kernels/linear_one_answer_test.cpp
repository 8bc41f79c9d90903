// Design rule 5 for the linear ops: the bits of an output depend on its weights and its row alone.
#include <gtest/gtest.h>

#include <cstring>

#include "linear_support.h"

namespace varve::kernels::test_linear {
namespace {

constexpr int64_t kOuts = 37;
constexpr int64_t kMostRows = 100;

/// Each row alone on one thread: what every other way of asking must give.
std::vector<float> rows_alone(const Call& call, const ops::PackedWeight& packed,
                              const std::vector<float>& x) {
  std::vector<float> all;
  for (int64_t row = 0; row < kMostRows; ++row) {
    const std::vector<float> y = call(packed, x, row, 1);
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}

void expect_same_bits(const std::vector<float>& y, const float* expected, const std::string& what) {
  EXPECT_EQ(std::memcmp(y.data(), expected, y.size() * sizeof(float)), 0) << what;
}

class OneAnswer : public testing::TestWithParam<Numerics> {};

TEST_P(OneAnswer, WhateverTheRowsAndThreads) {
  for (const LinearKernels* kernels : all_linear_kernels()) {
    if (kernels == &linear_kernels_ref()) continue;
    for (const WeightFormat& format : test::all_weight_formats()) {
      const int64_t cols = cols_of(format);
      const test::RandomMatrix matrix(format, kOuts, cols);
      const ops::PackedWeight packed = ops::pack(matrix.view());
      const auto x = test::random_numbers(static_cast<size_t>(kMostRows * cols), 9);
      const auto expected = rows_alone({*kernels, GetParam()}, packed, x);
      for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 64, 100}) {
        const int64_t first = (kMostRows - rows) / 3;  // another place in the batch
        expect_same_bits(Call{*kernels, GetParam()}(packed, x, first, rows), &expected[first * kOuts],
                         label(*kernels, format, GetParam()) + ", rows " + std::to_string(rows));
      }
    }
  }
}

TEST_P(OneAnswer, WhateverTheThreads) {
  const int64_t outs = 700;  // enough for several units of work
  for (const LinearKernels* kernels : all_linear_kernels()) {
    if (kernels == &linear_kernels_ref()) continue;
    for (const WeightFormat& format :
         {WeightFormat{ops::Encoding::affine, DType::bf16, 4, 64}, WeightFormat{.dtype = DType::bf16},
          WeightFormat{ops::Encoding::mxfp4, DType::f32, 4, 32}}) {
      const int64_t cols = 512;
      const test::RandomMatrix matrix(format, outs, cols);
      const ops::PackedWeight packed = ops::pack(matrix.view());
      const auto x = test::random_numbers(static_cast<size_t>(kMostRows * cols), 10);
      for (const int64_t rows : {1, 7, 64, 100}) {
        const auto expected = Call{*kernels, GetParam(), 1}(packed, x, 0, rows);
        for (const int threads : {2, 3})
          expect_same_bits(Call{*kernels, GetParam(), threads}(packed, x, 0, rows), expected.data(),
                           label(*kernels, format, GetParam()) + ", threads " + std::to_string(threads));
      }
    }
  }
}

/// The lane is the output row on every machine, so narrow and wide vectors agree; only a bf16 dot
/// instruction rounds its own way.
TEST_P(OneAnswer, WhateverTheVectorWidth) {
  const LinearKernels* first = nullptr;
  for (const LinearKernels* kernels : all_linear_kernels()) {
    if (kernels == &linear_kernels_ref()) continue;
    if (name_of(*kernels).find("bf16") != std::string_view::npos) continue;
    if (first == nullptr) first = kernels;
    for (const WeightFormat& format : test::all_weight_formats()) {
      const int64_t cols = cols_of(format);
      const test::RandomMatrix matrix(format, kOuts, cols);
      const ops::PackedWeight packed = ops::pack(matrix.view());
      const auto x = test::random_numbers(static_cast<size_t>(5 * cols), 11);
      const auto expected = Call{*first, GetParam()}(packed, x, 0, 5);
      expect_same_bits(Call{*kernels, GetParam()}(packed, x, 0, 5), expected.data(),
                       label(*kernels, format, GetParam()));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, OneAnswer,
                         testing::Values(Numerics{Precision::exact}, Numerics{Precision::fast},
                                         Numerics{Precision::fast, true}),
                         [](const auto& p) {
                           return p.param.precision == Precision::exact ? "exact"
                                  : p.param.fine                        ? "fine"
                                                                        : "fast";
                         });

}  // namespace
}  // namespace varve::kernels::test_linear
