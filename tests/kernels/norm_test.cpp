#include "op_support.h"

namespace varve::kernels::test {
namespace {

class Norm : public EveryTable {};
VARVE_EVERY_TABLE(Norm);

TEST_P(Norm, RmsEqualsRefForOddSizesStridesAndGroups) {
  struct Case {
    int64_t cols, group;
    bool weight;
  };
  for (const auto& [cols, group, weighted] :
       {Case{1, 0, true}, Case{7, 0, true}, Case{64, 0, true}, Case{100, 0, false}, Case{576, 0, true},
        Case{2050, 0, true}, Case{3 * 64, 64, true}, Case{5 * 24, 24, true}, Case{8, 8, false}}) {
    const int64_t rows = 3, stride = cols + 5;
    const auto x = random_floats(static_cast<size_t>(rows * stride), 1, 3.0f);
    const auto weight = random_floats(static_cast<size_t>(group ? group : cols), 2);
    std::vector<float> expected(x.size(), -7.0f), found(x.size(), -7.0f);
    ops::RmsNormArgs args{.x = {x.data(), rows, cols, stride},
                          .weight = weighted ? weight.data() : nullptr,
                          .eps = 1e-5f,
                          .group = group,
                          .y = expected.data(),
                          .y_stride = stride};
    ref().rms_norm(args);
    args.y = found.data();
    kernels().rms_norm(args);
    expect_near(found, expected, 1e-6, 1e-6, "rms_norm of " + std::to_string(cols));
  }
}

TEST_P(Norm, RmsOfZerosIsZeroAndInPlaceWorks) {
  std::vector<float> x(70, 0.0f);
  ops::RmsNormArgs args{.x = {x.data(), 1, 70, 70}, .y = x.data(), .y_stride = 70};
  kernels().rms_norm(args);
  EXPECT_EQ(x, std::vector<float>(70, 0.0f));
}

TEST_P(Norm, LayerEqualsRef) {
  for (const int64_t cols : {2, 15, 16, 17, 384, 1000}) {
    for (const bool with_bias : {false, true}) {
      const int64_t rows = 4, stride = cols + 3;
      const auto x = random_floats(static_cast<size_t>(rows * stride), 3, 2.0f);
      const auto weight = random_floats(static_cast<size_t>(cols), 4);
      const auto bias = random_floats(static_cast<size_t>(cols), 5);
      std::vector<float> expected(x.size(), 1.0f), found(x.size(), 1.0f);
      ops::LayerNormArgs args{.x = {x.data(), rows, cols, stride},
                              .weight = weight.data(),
                              .bias = with_bias ? bias.data() : nullptr,
                              .y = expected.data(),
                              .y_stride = stride};
      ref().layer_norm(args);
      args.y = found.data();
      kernels().layer_norm(args);
      expect_near(found, expected, 2e-6, 2e-6, "layer_norm of " + std::to_string(cols));
    }
  }
}

TEST_P(Norm, ARowAloneHasTheSameBits) {
  const int64_t rows = 9, cols = 203;
  const auto x = random_floats(static_cast<size_t>(rows * cols), 6);
  const auto weight = random_floats(static_cast<size_t>(cols), 7);
  std::vector<float> together(x.size()), alone(x.size());
  const ops::RmsNormArgs args{
      .x = {x.data(), rows, cols, cols}, .weight = weight.data(), .y = together.data(), .y_stride = cols};
  kernels().rms_norm(args);
  for (int64_t row = 0; row < rows; ++row) {
    ops::RmsNormArgs one = args;
    one.x = {x.data() + row * cols, 1, cols, cols};
    one.y = alone.data() + row * cols;
    kernels().rms_norm(one);
  }
  EXPECT_TRUE(same_bits(together, alone));
}

}  // namespace
}  // namespace varve::kernels::test
