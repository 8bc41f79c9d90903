// Every kernel table against float64 and against the ref twin, in every format.
#include <gtest/gtest.h>

#include <algorithm>

#include "linear_support.h"

namespace varve::kernels::test_linear {
namespace {

constexpr int64_t kOuts = 53;  // three whole blocks and a part
constexpr int64_t kRows = 11;

/// The largest relative error of a format, for tools/quality/figures.py: in billionths.
class Worst {
 public:
  double note(double error) {
    if (!(error <= worst_)) worst_ = error;  // a NaN is the worst
    return error;
  }
  void record(std::string name) const {
    std::replace(name.begin(), name.end(), ' ', '_');
    ::testing::Test::RecordProperty(name, std::to_string(worst_ * 1e9));
  }

 private:
  double worst_ = 0;
};

std::vector<double> as_double(const std::vector<float>& numbers) { return {numbers.begin(), numbers.end()}; }

TEST(LinearAccuracy, ExactIsTheFloat64ProductButForSummation) {
  for (const WeightFormat& format : test::all_weight_formats()) {
    const int64_t cols = cols_of(format);
    const test::RandomMatrix matrix(format, kOuts, cols);
    const ops::PackedWeight packed = ops::pack(matrix.view());
    const auto x = test::random_numbers(static_cast<size_t>(kRows * cols), 3);
    const std::vector<double> truth = product(matrix.view(), x, kRows);
    Worst worst;
    for (const LinearKernels* kernels : all_linear_kernels())
      EXPECT_LT(worst.note(relative_error(Call{*kernels, {Precision::exact}}(packed, x, 0, kRows), truth)),
                4e-7)
          << label(*kernels, format, {Precision::exact});
    worst.record(test::format_name(format));
  }
}

TEST(LinearAccuracy, FastIsTheRefTwinButForSummation) {
  for (const WeightFormat& format : test::all_weight_formats()) {
    const int64_t cols = cols_of(format);
    const test::RandomMatrix matrix(format, kOuts, cols);
    const ops::PackedWeight packed = ops::pack(matrix.view());
    const auto x = test::random_numbers(static_cast<size_t>(kRows * cols), 4);
    for (const bool fine : {false, true}) {
      const Numerics numerics{Precision::fast, fine};
      const auto truth = as_double(Call{linear_kernels_ref(), numerics}(packed, x, 0, kRows));
      for (const LinearKernels* kernels : all_linear_kernels())
        EXPECT_LT(relative_error(Call{*kernels, numerics}(packed, x, 0, kRows), truth), 6e-7)
            << label(*kernels, format, numerics);
    }
  }
}

TEST(LinearAccuracy, FastIsNearTheProduct) {
  for (const WeightFormat& format : test::all_weight_formats()) {
    const int64_t cols = cols_of(format);
    const test::RandomMatrix matrix(format, kOuts, cols);
    const ops::PackedWeight packed = ops::pack(matrix.view());
    const auto x = test::random_numbers(static_cast<size_t>(kRows * cols), 5);
    const std::vector<double> truth = product(matrix.view(), x, kRows);
    Worst worst;
    EXPECT_LT(
        worst.note(relative_error(Call{linear_kernels_ref(), {Precision::fast}}(packed, x, 0, kRows), truth)),
        8e-3)
        << test::format_name(format);
    worst.record(test::format_name(format));
    // 16 bits instead of 8, where activations are integers.
    const double fine =
        relative_error(Call{linear_kernels_ref(), {Precision::fast, true}}(packed, x, 0, kRows), truth);
    EXPECT_LT(fine, activation_format(format, {}).scaled() ? 4e-5 : 8e-3) << test::format_name(format);
  }
}

/// Zero, tiny, huge and lopsided chunks: no NaN, no overflow, and the same as the twin.
TEST(LinearAccuracy, FastTakesAnyFiniteActivation) {
  const WeightFormat format{ops::Encoding::affine, DType::f32, 8, 32};
  const test::RandomMatrix matrix(format, 16, 160);
  const ops::PackedWeight packed = ops::pack(matrix.view());
  auto x = test::random_numbers(160, 6);
  for (size_t k = 0; k < 32; ++k) {
    x[k] = 0;
    x[32 + k] *= 1e-38f;
    x[64 + k] = k == 3 ? -1e30f : x[64 + k] * 1e29f;
    x[96 + k] = -127.0f;
  }
  const auto truth = as_double(Call{linear_kernels_ref(), {Precision::fast}}(packed, x, 0, 1));
  for (const LinearKernels* kernels : all_linear_kernels()) {
    const std::vector<float> y = Call{*kernels, {Precision::fast}}(packed, x, 0, 1);
    EXPECT_LT(relative_error(y, truth), 1e-6) << name_of(*kernels);
  }
}

/// The widest integers: 8-bit codes of 255 against activations of 127 must not saturate on any machine.
TEST(LinearAccuracy, IntegersNeverSaturate) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    const int64_t cols = 128;
    std::vector<std::byte> data(static_cast<size_t>(16 * cols * bits / 8), std::byte{0xff});
    const std::vector<float> ones(16 * 2, 1.0f), zeros(16 * 2, 0.0f);
    const ops::WeightView view{.format = {ops::Encoding::affine, DType::f32, bits, 64},
                               .rows = 16,
                               .cols = cols,
                               .data = data.data(),
                               .scales = reinterpret_cast<const std::byte*>(ones.data()),
                               .biases = reinterpret_cast<const std::byte*>(zeros.data())};
    const ops::PackedWeight packed = ops::pack(view);
    for (const float sign : {127.0f, -127.0f}) {
      const std::vector<float> x(static_cast<size_t>(cols), sign);
      for (const LinearKernels* kernels : all_linear_kernels())
        for (const float y : Call{*kernels, {Precision::fast}}(packed, x, 0, 1))
          EXPECT_EQ(y, sign * static_cast<float>(cols * ((1 << bits) - 1))) << name_of(*kernels) << bits;
    }
  }
}

}  // namespace
}  // namespace varve::kernels::test_linear
