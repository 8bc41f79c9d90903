#include "scan_support.h"

namespace varve::kernels::test {
namespace {

/// Rows of one layer and the states of its sequences.
struct Delta : HeadScan {
  std::vector<float> qkv, gates, rate, offset;

  Delta(const ops::DeltaLayout& of, int64_t row_count, size_t sequences, unsigned seed)
      : HeadScan(of, row_count) {
    qkv = random_floats(static_cast<size_t>(rows * stride()), seed);
    normalise(0, 1.0f / std::sqrt(static_cast<float>(layout.key_dim)));
    normalise(layout.key_heads * layout.key_dim, 1.0f);
    gates = random_floats(static_cast<size_t>(rows * 2 * layout.value_heads), seed + 1, 2.0f);
    offset = random_floats(static_cast<size_t>(layout.value_heads), seed + 2);
    for (const float x : offset) rate.push_back(-std::exp(x));
    states = random_floats(sequences * static_cast<size_t>(layout.elements()), seed + 3);
  }

  int64_t keys() const { return layout.key_heads * layout.key_dim; }
  int64_t stride() const { return 2 * keys() + values() + 3; }

  /// Every head from column `first` on to the given length, as the block hands q and k in.
  void normalise(int64_t first, float length) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t h = 0; h < layout.key_heads; ++h) {
        float* x = qkv.data() + r * stride() + first + h * layout.key_dim;
        float squares = 0;
        for (int64_t i = 0; i < layout.key_dim; ++i) squares += x[i] * x[i];
        for (int64_t i = 0; i < layout.key_dim; ++i) x[i] *= length / std::sqrt(squares);
      }
  }

  void run(const OpKernels& kernels, const std::vector<ops::StateSlice>& slices) {
    const ops::DeltaScanArgs args{.slices = slices,
                                  .layout = layout,
                                  .q = qkv.data(),
                                  .k = qkv.data() + keys(),
                                  .v = qkv.data() + 2 * keys(),
                                  .qkv_stride = stride(),
                                  .a = gates.data(),
                                  .b = gates.data() + layout.value_heads,
                                  .gate_stride = 2 * layout.value_heads,
                                  .rate = rate.data(),
                                  .offset = offset.data(),
                                  .y = y.data(),
                                  .y_stride = values()};
    for (const ops::StateSlice& one : slices)
      for (int64_t head = 0; head < layout.value_heads; ++head)
        for (int64_t block = 0; block < layout.blocks(); ++block) kernels.delta_scan(args, one, head, block);
  }
};

const ops::DeltaLayout kLayouts[] = {
    {.key_heads = 2, .value_heads = 4, .key_dim = 8, .value_dim = 8},
    {.key_heads = 1, .value_heads = 1, .key_dim = 5, .value_dim = 12},
    {.key_heads = 2, .value_heads = 2, .key_dim = 64, .value_dim = 80},
    {.key_heads = 1, .value_heads = 3, .key_dim = 128, .value_dim = 128},
};

class DeltaScan : public EveryTable {};
VARVE_EVERY_TABLE(DeltaScan);

TEST_P(DeltaScan, EqualsRef) {
  for (const ops::DeltaLayout& layout : kLayouts) {
    Delta expected(layout, 60, 2, 1), found(layout, 60, 2, 1);
    for (Delta* delta : {&expected, &found}) {
      const OpKernels& table = delta == &expected ? ref() : kernels();
      delta->run(table, {delta->slice(0, 0, 37, 0), delta->slice(1, 37, 23, 100)});
    }
    const std::string what = "key dim " + std::to_string(layout.key_dim);
    expect_near(found.y, expected.y, 4e-6, 4e-6, what);
    expect_near(found.states, expected.states, 4e-6, 4e-6, what + ", state");
  }
}

TEST_P(DeltaScan, FollowsTheRule) {
  // One head of two keys and one value, worked out by hand: no decay (a far below 0), beta 1/2.
  Delta delta({.key_heads = 1, .value_heads = 1, .key_dim = 2, .value_dim = 1}, 2, 1, 1);
  const std::vector<std::vector<float>> rows{{1, 0, 0.6f, 0.8f, 10}, {0, 1, 1, 0, 4}};
  for (size_t r = 0; r < 2; ++r)
    std::copy(rows[r].begin(), rows[r].end(), delta.qkv.begin() + static_cast<ptrdiff_t>(r) * delta.stride());
  delta.gates = {-200, 0, -200, 0};
  delta.states = {1, 2};
  delta.run(kernels(), {delta.slice(0, 0, 2, 0)});
  // told 2.2, update 3.9: S = (3.34, 5.12), q picks 3.34; then told 3.34, update 0.33: S = (3.67, 5.12).
  expect_near(delta.y, {3.34f, 5.12f}, 1e-6, 1e-6, "y");
  expect_near(delta.states, {3.67f, 5.12f}, 1e-6, 1e-6, "state");
}

TEST_P(DeltaScan, AnyChunkingHasTheSameBits) {
  for (const ops::DeltaLayout& layout : kLayouts)
    expect_any_chunking_has_the_same_bits<Delta>(kernels(), layout);
}

TEST_P(DeltaScan, EveryVectorTableHasTheSameBits) {
  const OpKernels& best = *all_op_kernels().front().kernels;
  if (&kernels() == &ref() || &best == &ref()) GTEST_SKIP() << "of vector tables alone";
  for (const ops::DeltaLayout& layout : kLayouts) expect_the_same_bits<Delta>(best, kernels(), layout);
}

}  // namespace
}  // namespace varve::kernels::test
