#include <limits>

#include "scan_support.h"

namespace varve::kernels::test {
namespace {

/// Rows of one layer and the states of its sequences.
struct Ssm : HeadScan {
  std::vector<float> xbc, steps, rate, offset, skip;
  float dt_min = 0.0f, dt_max = std::numeric_limits<float>::infinity();

  Ssm(const ops::DeltaLayout& of, int64_t row_count, size_t sequences, unsigned seed)
      : HeadScan(of, row_count) {
    const auto heads = static_cast<size_t>(layout.value_heads);
    xbc = random_floats(static_cast<size_t>(rows * stride()), seed);
    steps = random_floats(static_cast<size_t>(rows) * (heads + 1), seed + 1, 2.0f);
    offset = random_floats(heads, seed + 2);
    skip = random_floats(heads, seed + 3);
    for (const float x : offset) rate.push_back(-std::exp(x));
    states = random_floats(sequences * static_cast<size_t>(layout.elements()), seed + 4);
  }

  int64_t group_state() const { return layout.key_heads * layout.key_dim; }
  int64_t stride() const { return values() + 2 * group_state() + 5; }

  void run(const OpKernels& kernels, const std::vector<ops::StateSlice>& slices) {
    const ops::SsmScanArgs args{.slices = slices,
                                .layout = layout,
                                .x = xbc.data(),
                                .b = xbc.data() + values(),
                                .c = xbc.data() + values() + group_state(),
                                .xbc_stride = stride(),
                                .step = steps.data(),
                                .step_stride = layout.value_heads + 1,
                                .rate = rate.data(),
                                .offset = offset.data(),
                                .skip = skip.data(),
                                .dt_min = dt_min,
                                .dt_max = dt_max,
                                .y = y.data(),
                                .y_stride = values()};
    for (const ops::StateSlice& one : slices)
      for (int64_t head = 0; head < layout.value_heads; ++head)
        for (int64_t block = 0; block < layout.blocks(); ++block) kernels.ssm_scan(args, one, head, block);
  }
};

const ops::DeltaLayout kLayouts[] = {
    {.key_heads = 2, .value_heads = 4, .key_dim = 12, .value_dim = 8},
    {.key_heads = 1, .value_heads = 1, .key_dim = 5, .value_dim = 21},
    {.key_heads = 1, .value_heads = 3, .key_dim = 128, .value_dim = 64},
    {.key_heads = 2, .value_heads = 2, .key_dim = 64, .value_dim = 80},
};

class SsmScan : public EveryTable {};
VARVE_EVERY_TABLE(SsmScan);

TEST_P(SsmScan, EqualsRef) {
  for (const ops::DeltaLayout& layout : kLayouts)
    for (const bool limited : {false, true}) {
      Ssm expected(layout, 60, 2, 1), found(layout, 60, 2, 1);
      for (Ssm* ssm : {&expected, &found}) {
        if (limited) ssm->dt_min = 0.3f, ssm->dt_max = 0.9f;
        const OpKernels& table = ssm == &expected ? ref() : kernels();
        ssm->run(table, {ssm->slice(0, 0, 37, 0), ssm->slice(1, 37, 23, 100)});
      }
      const std::string what = "state " + std::to_string(layout.key_dim);
      // Against the size of all answers: each is a sum of terms that are larger than itself.
      EXPECT_LT(relative_error(found.y, expected.y), 1e-6) << what;
      expect_near(found.states, expected.states, 4e-6, 4e-6, what + ", state");
    }
}

TEST_P(SsmScan, FollowsTheRule) {
  // One head of one channel and two states, worked out by hand: dt is held at 1/2, the decay is exp(-1/2).
  Ssm ssm({.key_heads = 1, .value_heads = 1, .key_dim = 2, .value_dim = 1}, 2, 1, 1);
  ssm.dt_min = ssm.dt_max = 0.5f;
  const std::vector<std::vector<float>> rows{{2, 1, 3, 1, 1}, {4, 0, 1, 0, 2}};  // x, B, C
  for (size_t r = 0; r < 2; ++r)
    std::copy(rows[r].begin(), rows[r].end(), ssm.xbc.begin() + static_cast<ptrdiff_t>(r) * ssm.stride());
  ssm.rate = {-1};
  ssm.skip = {10};
  ssm.states = {0, 8};
  ssm.run(kernels(), {ssm.slice(0, 0, 2, 0)});
  const float d = std::exp(-0.5f);
  const float second = 8 * d + 3;  // after the first token; the first state is 1
  expect_near(ssm.y, {20 + 1 + second, 40 + 2 * (second * d + 2)}, 1e-6, 1e-6, "y");
  expect_near(ssm.states, {d, second * d + 2}, 1e-6, 1e-6, "state");
}

TEST_P(SsmScan, AnyChunkingHasTheSameBits) {
  for (const ops::DeltaLayout& layout : kLayouts)
    expect_any_chunking_has_the_same_bits<Ssm>(kernels(), layout);
}

TEST_P(SsmScan, EveryVectorTableHasTheSameBits) {
  const OpKernels& best = *all_op_kernels().front().kernels;
  if (&kernels() == &ref() || &best == &ref()) GTEST_SKIP() << "of vector tables alone";
  for (const ops::DeltaLayout& layout : kLayouts) expect_the_same_bits<Ssm>(best, kernels(), layout);
}

}  // namespace
}  // namespace varve::kernels::test
