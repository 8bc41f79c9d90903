#include "op_support.h"

namespace varve::kernels::test {
namespace {

struct Lru {
  int64_t rows, cols;
  std::vector<float> x, gates, rate, y, states;

  Lru(int64_t row_count, int64_t channels, size_t sequences, unsigned seed)
      : rows(row_count), cols(channels) {
    const auto size = static_cast<size_t>(rows * cols);
    x = random_floats(size, seed);
    gates = random_floats(2 * size, seed + 1, 3.0f);
    for (const float r : random_floats(static_cast<size_t>(cols), seed + 2, 2.0f))
      rate.push_back(-8 * std::log1p(std::exp(r - 4)));
    y.assign(size, -7.0f);
    states = random_floats(sequences * static_cast<size_t>(cols), seed + 3);
  }

  ops::StateSlice slice(size_t sequence, int32_t begin, int32_t count, int32_t position) {
    float* state = states.data() + sequence * static_cast<size_t>(cols);
    return {
        .begin = begin, .count = count, .position = position, .state = reinterpret_cast<std::byte*>(state)};
  }

  void run(const OpKernels& kernels, const std::vector<ops::StateSlice>& slices, int64_t piece) {
    const ops::RgLruScanArgs args{.slices = slices,
                                  .cols = cols,
                                  .x = x.data(),
                                  .x_stride = cols,
                                  .input_gate = gates.data(),
                                  .recurrent_gate = gates.data() + cols,
                                  .gate_stride = 2 * cols,
                                  .rate = rate.data(),
                                  .y = y.data(),
                                  .y_stride = cols};
    for (const ops::StateSlice& one : slices)
      for (int64_t col = 0; col < cols; col += piece)
        kernels.rg_lru_scan(args, one, col, std::min(piece, cols - col));
  }
};

class RgLruScan : public EveryTable {};
VARVE_EVERY_TABLE(RgLruScan);

TEST_P(RgLruScan, EqualsRef) {
  for (const int64_t cols : {1, 16, 50, 128}) {
    Lru expected(40, cols, 2, 1), found(40, cols, 2, 1);
    expected.run(ref(), {expected.slice(0, 0, 25, 0), expected.slice(1, 25, 15, 100)}, cols);
    found.run(kernels(), {found.slice(0, 0, 25, 0), found.slice(1, 25, 15, 100)}, 64);
    expect_near(found.y, expected.y, 2e-6, 2e-6, std::to_string(cols) + " channels");
    expect_near(found.states, expected.states, 2e-6, 2e-6, std::to_string(cols) + " channels, state");
  }
}

TEST_P(RgLruScan, AWeakGateKeepsItsShareExact) {
  // 1 - a^2 of a nearly 1: the share is sqrt(2 x 1e-7), where 1 - exp(-2e-7) has three digits left.
  Lru lru(1, 1, 1, 1);
  lru.x = {1.0f};
  lru.gates = {100.0f, 100.0f};
  lru.rate = {-1e-7f};
  lru.states = {0.0f};
  lru.run(kernels(), {lru.slice(0, 0, 1, 5)}, 64);
  EXPECT_NEAR(lru.y[0], std::sqrt(2e-7), 1e-10);
}

TEST_P(RgLruScan, PositionZeroForgetsAndTakesAll) {
  Lru lru(1, 20, 1, 2);
  lru.run(kernels(), {lru.slice(0, 0, 1, 0)}, 64);
  for (size_t c = 0; c < 20; ++c) EXPECT_NEAR(lru.y[c], lru.x[c] / (1 + std::exp(-lru.gates[c])), 1e-6);
}

TEST_P(RgLruScan, AnyChunkingHasTheSameBits) {
  Lru whole(40, 70, 1, 5);
  whole.run(kernels(), {whole.slice(0, 0, 40, 0)}, 64);
  for (const int32_t chunk : {1, 7, 39}) {
    Lru cut(40, 70, 1, 5);
    for (int32_t at = 0; at < 40; at += chunk)
      cut.run(kernels(), {cut.slice(0, at, std::min(chunk, 40 - at), at)}, 16);
    EXPECT_TRUE(same_bits(cut.y, whole.y)) << "chunk " << chunk;
    EXPECT_TRUE(same_bits(cut.states, whole.states)) << "chunk " << chunk;
  }
}

TEST_P(RgLruScan, EveryVectorTableHasTheSameBits) {
  const OpKernels& best = *all_op_kernels().front().kernels;
  if (&kernels() == &ref() || &best == &ref()) GTEST_SKIP() << "of vector tables alone";
  Lru first(20, 70, 1, 9), second(20, 70, 1, 9);
  first.run(best, {first.slice(0, 0, 20, 0)}, 64);
  second.run(kernels(), {second.slice(0, 0, 20, 0)}, 64);
  EXPECT_TRUE(same_bits(first.y, second.y));
}

}  // namespace
}  // namespace varve::kernels::test
