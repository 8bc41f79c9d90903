#include <set>

#include "op_support.h"

namespace varve::kernels::test {
namespace {

class Route : public EveryTable {};
VARVE_EVERY_TABLE(Route);

struct Routed {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

Routed route(const OpKernels& kernels, const std::vector<float>& logits, int64_t rows, ops::RouteArgs args) {
  Routed out;
  out.experts.resize(static_cast<size_t>(rows * args.active), -1);
  out.weights.resize(out.experts.size(), NAN);
  const int64_t cols = static_cast<int64_t>(logits.size()) / rows;
  args.logits = {logits.data(), rows, cols, cols};
  args.experts = out.experts.data();
  args.weights = out.weights.data();
  kernels.route(args);
  return out;
}

TEST_P(Route, EqualsRef) {
  for (const auto kind : {ops::RouteArgs::Kind::softmax_topk, ops::RouteArgs::Kind::topk_softmax}) {
    for (const bool renormalize : {false, true}) {
      for (const int64_t experts : {4, 8, 60, 128}) {
        for (const int64_t active : {int64_t{1}, int64_t{2}, int64_t{4}, std::min<int64_t>(experts, 20)}) {
          const auto logits = random_floats(static_cast<size_t>(5 * experts), 51, 2.0f);
          const ops::RouteArgs args{
              .logits = {}, .kind = kind, .active = active, .renormalize = renormalize, .scale = 2.5f};
          const Routed expected = route(ref(), logits, 5, args), found = route(kernels(), logits, 5, args);
          EXPECT_EQ(found.experts, expected.experts);
          expect_near(found.weights, expected.weights, 0, 1e-6, "weights");
        }
      }
    }
  }
}

TEST_P(Route, RanksWithBiasAndGroupsEqualRef) {
  struct Choice {
    int64_t experts, active, groups, groups_kept, group_best;
    bool bias;
  };
  for (const Choice& c :
       {Choice{8, 3, 1, 1, 1, true}, Choice{8, 3, 4, 2, 2, true}, Choice{60, 6, 6, 2, 1, false},
        Choice{256, 8, 8, 4, 2, true}, Choice{5, 1, 1, 1, 1, false}}) {
    for (const auto kind : {ops::RouteArgs::Kind::softmax_topk, ops::RouteArgs::Kind::sigmoid_topk}) {
      for (const bool renormalize : {false, true}) {
        const auto logits = random_floats(static_cast<size_t>(7 * c.experts), 52, 1.5f);
        const auto bias = random_floats(static_cast<size_t>(c.experts), 53, 0.3f);
        const ops::RouteArgs args{.logits = {},
                                  .kind = kind,
                                  .active = c.active,
                                  .renormalize = renormalize,
                                  .scale = 2.5f,
                                  .bias = c.bias ? bias.data() : nullptr,
                                  .groups = c.groups,
                                  .groups_kept = c.groups_kept,
                                  .group_best = c.group_best};
        const Routed expected = route(ref(), logits, 7, args), found = route(kernels(), logits, 7, args);
        EXPECT_EQ(found.experts, expected.experts);
        expect_near(found.weights, expected.weights, 0, 2e-6, "weights");
      }
    }
  }
}

TEST_P(Route, TheBiasChoosesAndTheScoreWeighs) {
  const std::vector<float> logits = {0, 0, 0, 3}, bias = {0, 5, 0, 0};
  const Routed out =
      route(kernels(), logits, 1,
            {.logits = {}, .kind = ops::RouteArgs::Kind::sigmoid_topk, .active = 2, .bias = bias.data()});
  EXPECT_EQ(out.experts, (std::vector<int32_t>{1, 3}));
  EXPECT_NEAR(out.weights[0], 0.5, 1e-6);
  EXPECT_NEAR(out.weights[1], 1.0 / (1.0 + std::exp(-3.0)), 1e-6);
}

TEST_P(Route, TiesGoToTheLowerIndexAndWeightsSumUp) {
  const std::vector<float> logits = {1, 3, 3, 0, 3, 2};
  const Routed all = route(kernels(), logits, 1, {.logits = {}, .active = 4});
  EXPECT_EQ(all.experts, (std::vector<int32_t>{1, 2, 4, 5}));
  const double sum = 3 * std::exp(3.0) + std::exp(2.0) + std::exp(1.0) + 1;
  EXPECT_NEAR(all.weights[0], std::exp(3.0) / sum, 1e-6);
  const Routed chosen = route(kernels(), logits, 1, {.logits = {}, .active = 4, .renormalize = true});
  EXPECT_NEAR(chosen.weights[0] + chosen.weights[1] + chosen.weights[2] + chosen.weights[3], 1.0, 1e-6);
}

TEST_P(Route, NaNNeverGivesAnExpertTwice) {
  std::vector<float> logits(8, NAN);
  logits[5] = 1.0f;
  const Routed out = route(kernels(), logits, 1, {.logits = {}, .active = 4});
  EXPECT_EQ(out.experts[0], 5);
  EXPECT_EQ(std::set<int32_t>(out.experts.begin(), out.experts.end()).size(), 4u);
  for (const int32_t expert : out.experts) EXPECT_TRUE(expert >= 0 && expert < 8);
}

}  // namespace
}  // namespace varve::kernels::test
