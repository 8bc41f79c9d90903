#include "op_support.h"

namespace varve::kernels::test {
namespace {

class Rope : public EveryTable {};
VARVE_EVERY_TABLE(Rope);

TEST_P(Rope, EqualsRefForBothLayoutsAndPartialHeads) {
  struct Case {
    int64_t head_dim, dims;
  };
  for (const auto& [head_dim, dims] : {Case{2, 2}, Case{8, 8}, Case{64, 64}, Case{80, 20}, Case{96, 72},
                                       Case{128, 128}, Case{64, 0}, Case{10, 6}}) {
    for (const bool interleaved : {false, true}) {
      const int64_t rows = 3, heads = 5, stride = heads * head_dim + 7, half = dims / 2;
      auto expected = random_floats(static_cast<size_t>(rows * stride), 11);
      auto found = expected;
      std::vector<float> cos, sin;
      for (int64_t i = 0; i < rows * half; ++i) {
        cos.push_back(static_cast<float>(1.1 * std::cos(0.37 * static_cast<double>(i))));
        sin.push_back(static_cast<float>(1.1 * std::sin(0.37 * static_cast<double>(i))));
      }
      ops::RopeArgs args{.x = expected.data(),
                         .rows = rows,
                         .stride = stride,
                         .heads = heads,
                         .head_dim = head_dim,
                         .dims = dims,
                         .interleaved = interleaved,
                         .cos = cos.data(),
                         .sin = sin.data()};
      ref().rope(args);
      args.x = found.data();
      kernels().rope(args);
      expect_near(found, expected, 1e-6, 1e-6, "rope of " + std::to_string(dims));
    }
  }
}

TEST(RopeRef, TurnsByTheAngle) {
  const float cos[] = {0.0f, 1.0f}, sin[] = {1.0f, 0.0f};
  ops::RopeArgs args{.rows = 1, .stride = 4, .heads = 1, .head_dim = 4, .dims = 4, .cos = cos, .sin = sin};
  std::vector<float> x = {1, 2, 3, 4};
  args.x = x.data();
  op_kernels_ref().rope(args);
  EXPECT_EQ(x, (std::vector<float>{-3, 2, 1, 4}));  // pairs (0, 2) and (1, 3)
  x = {1, 2, 3, 4};
  args.interleaved = true;
  op_kernels_ref().rope(args);
  EXPECT_EQ(x, (std::vector<float>{-2, 1, 3, 4}));  // pairs (0, 1) and (2, 3)
}

}  // namespace
}  // namespace varve::kernels::test
