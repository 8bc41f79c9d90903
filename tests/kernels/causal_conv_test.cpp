#include "op_support.h"

namespace varve::kernels::test {
namespace {

struct Conv {
  int64_t rows, cols, width;
  std::vector<float> x, weight, bias, y, states;

  Conv(int64_t row_count, int64_t channels, int64_t taps, size_t sequences, unsigned seed)
      : rows(row_count), cols(channels), width(taps) {
    x = random_floats(static_cast<size_t>(rows * cols), seed);
    weight = random_floats(static_cast<size_t>(width * cols), seed + 1);
    bias = random_floats(static_cast<size_t>(cols), seed + 2);
    y.assign(x.size(), -7.0f);
    states = random_floats(sequences * static_cast<size_t>((width - 1) * cols) + 1, seed + 3);
  }

  ops::StateSlice slice(size_t sequence, int32_t begin, int32_t count, int32_t position) {
    float* state = states.data() + sequence * static_cast<size_t>((width - 1) * cols);
    return {
        .begin = begin, .count = count, .position = position, .state = reinterpret_cast<std::byte*>(state)};
  }

  void run(const OpKernels& kernels, const std::vector<ops::StateSlice>& slices, int64_t piece) {
    const ops::CausalConvArgs args{.slices = slices,
                                   .cols = cols,
                                   .width = width,
                                   .x = x.data(),
                                   .x_stride = cols,
                                   .weight = weight.data(),
                                   .bias = bias.data(),
                                   .y = y.data(),
                                   .y_stride = cols};
    for (const ops::StateSlice& one : slices)
      for (int64_t col = 0; col < cols; col += piece)
        kernels.causal_conv(args, one, col, std::min(piece, cols - col));
  }
};

class CausalConv : public EveryTable {};
VARVE_EVERY_TABLE(CausalConv);

TEST_P(CausalConv, EqualsRefForEveryWidth) {
  for (const int64_t width : {1, 2, 4, 7}) {
    for (const int64_t cols : {1, 16, 50, 128}) {
      Conv expected(12, cols, width, 2, 1), found(12, cols, width, 2, 1);
      expected.run(ref(), {expected.slice(0, 0, 10, 0), expected.slice(1, 10, 2, 100)}, cols);
      found.run(kernels(), {found.slice(0, 0, 10, 0), found.slice(1, 10, 2, 100)}, 64);
      expect_near(found.y, expected.y, 3e-6, 3e-6, std::to_string(cols) + " channels");
      EXPECT_TRUE(same_bits(found.states, expected.states));
    }
  }
}

TEST_P(CausalConv, AnyChunkingHasTheSameBits) {
  Conv whole(40, 70, 4, 1, 5);
  whole.run(kernels(), {whole.slice(0, 0, 40, 0)}, 64);
  for (const int32_t chunk : {1, 2, 3, 39}) {
    Conv cut(40, 70, 4, 1, 5);
    for (int32_t at = 0; at < 40; at += chunk)
      cut.run(kernels(), {cut.slice(0, at, std::min(chunk, 40 - at), at)}, 16);
    EXPECT_TRUE(same_bits(cut.y, whole.y)) << "chunk " << chunk;
    EXPECT_TRUE(same_bits(cut.states, whole.states)) << "chunk " << chunk;
  }
}

}  // namespace
}  // namespace varve::kernels::test
