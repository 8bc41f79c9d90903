// What the driver adds to the kernels: several matrices in one call, bias, residual add, experts, embedding.
#include <gtest/gtest.h>

#include <cstring>

#include "linear_support.h"

namespace varve::kernels::test_linear {
namespace {

const WeightFormat kFourBits{ops::Encoding::affine, DType::f16, 4, 32};
const WeightFormat kEightBits{ops::Encoding::affine, DType::f16, 8, 32};
const WeightFormat kBrain{.dtype = DType::bf16};

TEST(LinearDriver, SeveralMatricesShareTheirRows) {
  const int64_t cols = 96, rows = 9;
  const auto x = test::random_numbers(rows * cols, 1);
  const ops::PackedWeight q = ops::pack(test::RandomMatrix(kFourBits, 48, cols, 2).view());
  const ops::PackedWeight k = ops::pack(test::RandomMatrix(kEightBits, 17, cols, 3).view());
  const ops::PackedWeight v = ops::pack(test::RandomMatrix(kBrain, 5, cols, 4).view());
  for (const LinearKernels* kernels : all_linear_kernels()) {
    std::vector<float> yq(rows * 48), yk(rows * 17), yv(rows * 5);
    const ops::LinearOut outs[] = {{.weight = &q, .y = yq.data(), .y_stride = 48},
                                   {.weight = &k, .y = yk.data(), .y_stride = 17},
                                   {.weight = &v, .y = yv.data(), .y_stride = 5}};
    ThreadPool pool(2);
    LinearScratch scratch;
    for (int repeat = 0; repeat < 2; ++repeat)
      linear(*kernels, pool, Precision::fast, scratch, {.x = {x.data(), rows, cols, cols}, .outs = outs});
    const Call alone{*kernels, {Precision::fast}};
    EXPECT_EQ(yq, alone(q, x, 0, rows));
    EXPECT_EQ(yk, alone(k, x, 0, rows));
    EXPECT_EQ(yv, alone(v, x, 0, rows));
  }
}

TEST(LinearDriver, BiasResidualAndStrides) {
  const int64_t cols = 64, rows = 3, outs = 21, x_stride = 70, y_stride = 30;
  const auto x = test::random_numbers(rows * x_stride, 5);
  const auto bias = test::random_numbers(outs, 6);
  const ops::PackedWeight weight = ops::pack(test::RandomMatrix(kFourBits, outs, cols, 7).view());
  std::vector<float> dense_x;
  for (int64_t t = 0; t < rows; ++t) dense_x.insert(dense_x.end(), &x[t * x_stride], &x[t * x_stride] + cols);
  for (const LinearKernels* kernels : all_linear_kernels()) {
    const auto plain = Call{*kernels, Precision::exact}(weight, dense_x, 0, rows);
    for (const bool accumulate : {false, true}) {
      std::vector<float> y(rows * y_stride, 2.0f);
      const ops::LinearOut out{.weight = &weight,
                               .bias = bias.data(),
                               .y = y.data(),
                               .y_stride = y_stride,
                               .accumulate = accumulate};
      ThreadPool pool(1);
      LinearScratch scratch;
      linear(*kernels, pool, Precision::exact, scratch,
             {.x = {x.data(), rows, cols, x_stride}, .outs = {&out, 1}});
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t r = 0; r < y_stride; ++r) {
          const float was = 2.0f;
          const float added = r < outs ? plain[t * outs + r] + bias[r] : 0;
          const float expected = r >= outs ? was : accumulate ? was + added : added;
          EXPECT_NEAR(y[t * y_stride + r], expected, 2e-6f) << name_of(*kernels) << t << " " << r;
        }
      }
    }
  }
}

TEST(LinearDriver, ExpertsAreLinearsOfTheirRows) {
  const int64_t cols = 128, rows = 90, outs = 33;
  const auto x = test::random_numbers(rows * cols, 8);
  std::vector<ops::PackedWeight> weights;
  for (uint32_t e = 0; e < 3; ++e)
    weights.push_back(ops::pack(test::RandomMatrix(kFourBits, outs, cols, 20 + e).view()));
  std::vector<int32_t> first, third{5, 5, 1};
  for (int32_t row = 89; row >= 0; --row) first.push_back(row);
  for (const LinearKernels* kernels : all_linear_kernels()) {
    for (const int threads : {1, 2, 3}) {
      std::vector<float> y0(90 * outs), y2(3 * outs), bias(outs, 0.0f);
      const ops::ExpertSlice slices[] = {
          {.weight = &weights[0], .rows = first, .y = y0.data()},
          {.weight = &weights[1], .rows = {}, .y = nullptr},
          {.weight = &weights[2], .bias = bias.data(), .rows = third, .y = y2.data()}};
      ThreadPool pool(threads);
      LinearScratch scratch;
      expert_linear(*kernels, pool, Precision::fast, scratch,
                    {.x = {x.data(), rows, cols, cols}, .slices = slices, .y_stride = outs});
      const Call alone{*kernels, {Precision::fast}};
      const auto all0 = alone(weights[0], x, 0, rows);
      const auto all2 = alone(weights[2], x, 0, rows);
      for (size_t i = 0; i < first.size(); ++i)
        EXPECT_EQ(std::memcmp(&y0[i * outs], &all0[first[i] * outs], outs * 4), 0) << i;
      for (size_t i = 0; i < third.size(); ++i)
        EXPECT_EQ(std::memcmp(&y2[i * outs], &all2[third[i] * outs], outs * 4), 0) << i;
    }
  }
}

TEST(LinearDriver, NoRowsIsNoWork) {
  const ops::PackedWeight weight = ops::pack(test::RandomMatrix(kFourBits, 16, 64).view());
  std::vector<float> y{7.0f};
  const ops::LinearOut out{.weight = &weight, .y = y.data(), .y_stride = 16};
  ThreadPool pool(2);
  LinearScratch scratch;
  linear(*all_linear_kernels()[0], pool, Precision::fast, scratch,
         {.x = {nullptr, 0, 64, 64}, .outs = {&out, 1}});
  EXPECT_EQ(y[0], 7.0f);
}

TEST(Embed, IsTheScaledRow) {
  for (const WeightFormat& format : test::all_weight_formats()) {
    const int64_t cols = cols_of(format);
    const test::RandomMatrix matrix(format, 40, cols);
    const ops::PackedWeight table = ops::pack(matrix.view());
    const std::vector<int32_t> ids{39, 0, 17, 17};
    std::vector<float> out(ids.size() * static_cast<size_t>(cols));
    ThreadPool pool(2);
    embed(*all_linear_kernels()[0], pool, {.table = &table, .ids = ids, .scale = 3.0f, .out = out.data()});
    std::vector<float> row(static_cast<size_t>(cols));
    for (size_t i = 0; i < ids.size(); ++i) {
      ops::dequantize_rows(matrix.view(), ids[i], 1, row.data());
      for (size_t k = 0; k < row.size(); ++k)
        ASSERT_EQ(out[i * row.size() + k], row[k] * 3.0f) << test::format_name(format) << i << " " << k;
    }
  }
}

}  // namespace
}  // namespace varve::kernels::test_linear
