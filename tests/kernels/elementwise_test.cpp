#include "op_support.h"

namespace varve::kernels::test {
namespace {

class Elementwise : public EveryTable {};
VARVE_EVERY_TABLE(Elementwise);
class ElementwiseVectors : public EveryTable {};
VARVE_EVERY_VECTOR_TABLE(ElementwiseVectors);

constexpr ops::Activation kActivations[] = {
    ops::Activation::silu,       ops::Activation::gelu, ops::Activation::gelu_tanh,
    ops::Activation::quick_gelu, ops::Activation::relu, ops::Activation::relu_squared,
    ops::Activation::sigmoid,    ops::Activation::tanh, ops::Activation::identity};

/// Small, large and all magnitudes between, both signs.
std::vector<float> sweep() {
  std::vector<float> x = {0.0f, -0.0f, 1e-30f, -1e-30f, 100.0f, -100.0f, 1e4f, -1e4f};
  for (double v = 1e-6; v < 90; v *= 1.003) {
    x.push_back(static_cast<float>(v));
    x.push_back(static_cast<float>(-v));
  }
  return x;
}

TEST_P(Elementwise, ActivationsEqualRef) {
  const auto x = sweep();
  const auto n = static_cast<int64_t>(x.size());
  for (const ops::Activation activation : kActivations) {
    std::vector<float> expected(x.size()), found(x.size());
    ops::GatedArgs args{.gate = x.data(),
                        .gate_stride = n,
                        .rows = 1,
                        .cols = n,
                        .activation = activation,
                        .out = expected.data(),
                        .out_stride = n};
    ref().gated(args);
    args.out = found.data();
    kernels().gated(args);
    for (size_t i = 0; i < x.size(); ++i) {
      // Where a function dies away, its error counts against the input's size.
      ASSERT_NEAR(found[i], expected[i], 4e-7 * std::abs(expected[i]) + 3e-7 * std::min(1.0f, std::abs(x[i])))
          << "activation " << static_cast<int>(activation) << " of " << x[i];
    }
  }
}

TEST_P(Elementwise, SigmoidOfAnythingIsWithinTwoInTenMillion) {
  const auto x = sweep();
  const auto n = static_cast<int64_t>(x.size());
  std::vector<float> y(x.size());
  kernels().gated({.gate = x.data(),
                   .gate_stride = n,
                   .rows = 1,
                   .cols = n,
                   .activation = ops::Activation::sigmoid,
                   .out = y.data(),
                   .out_stride = n});
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = 1 / (1 + std::exp(-double{x[i]}));
    if (expected < 1e-37) continue;
    ASSERT_NEAR(y[i] / expected, 1.0, 2.5e-7) << x[i];
  }
}

TEST_P(ElementwiseVectors, EveryInstructionSetLeavesTheSameBits) {
  const auto x = sweep();
  const auto n = static_cast<int64_t>(x.size());
  for (const ops::Activation activation : kActivations) {
    std::vector<float> first(x.size()), found(x.size());
    ops::GatedArgs args{.gate = x.data(),
                        .gate_stride = n,
                        .rows = 1,
                        .cols = n,
                        .activation = activation,
                        .out = first.data(),
                        .out_stride = n};
    all_op_kernels().front().kernels->gated(args);
    args.out = found.data();
    kernels().gated(args);
    EXPECT_TRUE(same_bits(found, first)) << static_cast<int>(activation);
  }
}

TEST_P(Elementwise, GatedWithLimitStridesAndInPlace) {
  for (const int64_t cols : {1, 15, 16, 33, 100}) {
    for (const float limit : {0.0f, 0.7f}) {
      const int64_t rows = 3, stride = 2 * cols + 1;
      const auto both = random_floats(static_cast<size_t>(rows * stride), 21, 2.0f);
      auto expected = both, found = both;
      ops::GatedArgs args{.gate_stride = stride,
                          .up_stride = stride,
                          .rows = rows,
                          .cols = cols,
                          .activation = ops::Activation::silu,
                          .slope = limit > 0 ? 1.4f : 1.0f,
                          .limit = limit,
                          .up_offset = limit > 0 ? 1.0f : 0.0f,
                          .out_stride = stride};
      args.gate = args.out = expected.data();
      args.up = expected.data() + cols;
      ref().gated(args);
      args.gate = args.out = found.data();
      args.up = found.data() + cols;
      kernels().gated(args);
      expect_near(found, expected, 1e-6, 1e-6, "gated of " + std::to_string(cols));
    }
  }
}

TEST_P(ElementwiseVectors, ASlopeMakesSiluQuickGeluAndTheUpOffsetNeedsAnUp) {
  const auto x = sweep();
  const auto n = static_cast<int64_t>(x.size());
  std::vector<float> quick(x.size()), sloped(x.size());
  ops::GatedArgs args{.gate = x.data(),
                      .gate_stride = n,
                      .rows = 1,
                      .cols = n,
                      .activation = ops::Activation::quick_gelu,
                      .out = quick.data(),
                      .out_stride = n};
  kernels().gated(args);
  args.activation = ops::Activation::silu;
  args.slope = ops::kQuickGeluSlope;
  args.up_offset = 1.0f;
  args.out = sloped.data();
  kernels().gated(args);
  EXPECT_TRUE(same_bits(quick, sloped));
}

TEST_P(Elementwise, NothingHidesANaN) {
  for (const ops::Activation activation : kActivations) {
    std::vector<float> x(20, NAN);
    kernels().gated({.gate = x.data(),
                     .gate_stride = 20,
                     .rows = 1,
                     .cols = 20,
                     .activation = activation,
                     .limit = 1.0f,
                     .out = x.data(),
                     .out_stride = 20});
    for (const float y : x) EXPECT_TRUE(std::isnan(y)) << static_cast<int>(activation);
  }
}

TEST_P(Elementwise, AxpbyEqualsRefAndBetaZeroDoesNotRead) {
  const int64_t rows = 2, cols = 37, stride = 40;
  const auto x = random_floats(static_cast<size_t>(rows * stride), 31);
  for (const float beta : {1.0f, -0.5f, 0.0f}) {
    auto expected = random_floats(x.size(), 32);
    if (beta == 0.0f) std::fill(expected.begin(), expected.end(), NAN);
    auto found = expected;
    ops::AxpbyArgs args{.x = {x.data(), rows, cols, stride},
                        .alpha = 1.5f,
                        .beta = beta,
                        .y = expected.data(),
                        .y_stride = stride};
    ref().axpby(args);
    args.y = found.data();
    kernels().axpby(args);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = 0; i < cols; ++i)
        ASSERT_NEAR(found[static_cast<size_t>(row * stride + i)],
                    expected[static_cast<size_t>(row * stride + i)], 1e-6);
    }
  }
}

TEST_P(Elementwise, SoftcapEqualsRef) {
  for (const float cap : {30.0f, 50.0f}) {
    auto expected = sweep();
    auto found = expected;
    const auto n = static_cast<int64_t>(found.size());
    ref().softcap({.x = expected.data(), .rows = 1, .cols = n, .stride = n, .cap = cap});
    kernels().softcap({.x = found.data(), .rows = 1, .cols = n, .stride = n, .cap = cap});
    expect_near(found, expected, 0, 4e-7, "softcap");
  }
}

TEST_P(Elementwise, CombineEqualsRef) {
  const int64_t rows = 3, cols = 45, active = 4;
  const auto x = random_floats(static_cast<size_t>(rows * active * cols), 41);
  const auto weights = random_floats(static_cast<size_t>(rows * active), 42);
  std::vector<int32_t> slots;
  for (int32_t i = 0; i < rows * active; ++i) slots.push_back(i * 5 % static_cast<int32_t>(rows * active));
  auto expected = random_floats(static_cast<size_t>(rows * cols), 43);
  auto found = expected;
  ops::CombineArgs args{.x = x.data(),
                        .cols = cols,
                        .rows = rows,
                        .active = active,
                        .slots = slots.data(),
                        .weights = weights.data(),
                        .y = expected.data(),
                        .y_stride = cols};
  ref().combine(args);
  args.y = found.data();
  kernels().combine(args);
  expect_near(found, expected, 2e-6, 1e-6, "combine");
}

}  // namespace
}  // namespace varve::kernels::test
