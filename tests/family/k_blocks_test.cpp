// K-quant blocks as words with their own scales: the same numbers as the gguf library's, bit for bit.
// tests/cases/k_quants/blocks.gguf holds blocks, extreme and vanishing scales among them, and their numbers
// (tools/golden/k_quants.py makes it).
#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_types.h"
#include "checkpoint/refusal.h"
#include "family/tensor_data.h"
#include "ops/mlx_words.h"
#include "support/bytes.h"
#include "support/data.h"

namespace varve::checkpoint {
namespace {

using testing::HasSubstr;

constexpr BlockType kTypes[] = {BlockType::q2_k, BlockType::q3_k, BlockType::q4_k, BlockType::q5_k,
                                BlockType::q6_k};

ops::WeightView view_of(const KWords& words, BlockType block, int64_t rows, int64_t cols) {
  return {.format = family::block_format(block),
          .rows = rows,
          .cols = cols,
          .data = words.words.data(),
          .scales = words.scales.data(),
          .biases = words.biases.empty() ? nullptr : words.biases.data()};
}

/// The numbers of some rows of blocks, through the definition of the words' format.
std::vector<float> numbers_of(const Tensor& tensor, int64_t first, int64_t count) {
  const KWords words = k_words_from_blocks(tensor, first, count);
  const ops::WeightView view = view_of(words, tensor.block, count, tensor.shape.back());
  EXPECT_EQ(words.bits, view.format.bits);
  EXPECT_EQ(words.group, view.format.group);
  EXPECT_EQ(static_cast<int64_t>(words.words.size() + words.scales.size() + words.biases.size()),
            view.total_bytes());
  std::vector<float> numbers(static_cast<size_t>(count * view.cols));
  ops::dequantize_rows(view, 0, count, numbers.data());
  return numbers;
}

/// The sign of a zero may differ: (0 - 4) * 0 is -0.
void expect_same_bits(const std::vector<float>& found, const float* expected, std::string_view what) {
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] == 0 && expected[i] == 0) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i]))
        << what << " number " << i << ": " << found[i] << " and not " << expected[i];
  }
}

class KBlocks : public testing::TestWithParam<BlockType> {
 protected:
  KBlocks() : file_(Checkpoint::open(test::source_dir() / "tests/cases/k_quants/blocks.gguf")) {}
  const Tensor& blocks() const { return *file_.find(block_name(GetParam())); }
  const float* numbers() {
    const Tensor& tensor = *file_.find(std::string(block_name(GetParam())) + ".numbers");
    numbers_.resize(tensor.bytes.size() / 4);
    std::memcpy(numbers_.data(), tensor.bytes.data(), tensor.bytes.size());
    return numbers_.data();
  }

 private:
  Checkpoint file_;
  std::vector<float> numbers_;
};

TEST_P(KBlocks, AreTheNumbersOfTheGgufLibrary) {
  ASSERT_EQ(blocks().block, GetParam());
  ASSERT_THAT(blocks().shape, testing::ElementsAre(5, 512));
  expect_same_bits(numbers_of(blocks(), 0, 5), numbers(), block_name(GetParam()));
}

TEST_P(KBlocks, SomeRows) {
  expect_same_bits(numbers_of(blocks(), 2, 2), numbers() + 2 * 512, block_name(GetParam()));
  EXPECT_TRUE(k_words_from_blocks(blocks(), 5, 0).words.empty());
  EXPECT_DEATH(k_words_from_blocks(blocks(), 4, 2), "no such rows");
}

TEST_P(KBlocks, AScaleThatIsNoNumberIsRefused) {
  const bool minima = family::block_format(GetParam()).has_biases();
  const bool at_end = GetParam() != BlockType::q4_k && GetParam() != BlockType::q5_k;
  const auto size = static_cast<size_t>(block_bytes(GetParam()));
  for (size_t which = 0; which < (minima ? 2u : 1u); ++which)
    for (const uint16_t bad : {uint16_t{0x7c00}, uint16_t{0xfc00}, uint16_t{0x7e01}}) {
      std::string block(size, '\0');
      const size_t halves = at_end ? size - (minima ? 4 : 2) : 0;
      std::memcpy(&block[halves + 2 * which], &bad, 2);
      const Tensor tensor{.dtype = DType::u8,
                          .block = GetParam(),
                          .shape = {1, 256},
                          .bytes = test::as_bytes(block),
                          .file = nullptr};
      EXPECT_THAT(test::refusal_of([&] { k_words_from_blocks(tensor, 0, 1); }),
                  HasSubstr("no finite number"));
    }
}

double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double{found[i]} - double{expected[i]}, 2);
    size += std::pow(double{expected[i]}, 2);
  }
  return std::sqrt(error / size);
}

/// Plain rounding to 8 bits between the least and the largest number of every 32, with scale and bias in
/// float16: what any affine quantiser does at least as well.
std::vector<float> in_eight_bits(std::vector<float> numbers) {
  for (size_t at = 0; at < numbers.size(); at += 32) {
    const auto group = std::span(numbers).subspan(at, 32);
    const auto [low, high] = std::minmax_element(group.begin(), group.end());
    const float bias = f16_to_f32(f32_to_f16(*low)), scale = f16_to_f32(f32_to_f16((*high - *low) / 255));
    for (float& x : group) x = std::clamp(std::nearbyint((x - bias) / scale), 0.0f, 255.0f) * scale + bias;
  }
  return numbers;
}

/// What MLX's nearest formats cost (ops/mlx_words.h), on matrices that were quantised from real numbers.
TEST(KBlocksAsMlx, ErrorsAreWithinTheirBounds) {
  const Checkpoint model =
      Checkpoint::open(test::source_dir() / "tests/cases/golden/gguf-llama-k/model.gguf");
  int seen = 0;
  for (const auto& [name, tensor] : model.tensors) {
    if (!is_k_block(tensor.block)) continue;
    ++seen;
    const KWords words = k_words_from_blocks(tensor, 0, tensor.shape[0]);
    const ops::WeightView view = view_of(words, tensor.block, tensor.shape[0], tensor.shape[1]);
    const std::vector<float> numbers = numbers_of(tensor, 0, tensor.shape[0]);
    if (view.format.group == 16) {
      EXPECT_LT(relative_error(in_eight_bits(numbers), numbers), 5e-3) << name;
      continue;
    }
    ops::WeightView affine = view;
    affine.format = ops::mlx_format(view.format);
    std::vector<std::byte> scales(static_cast<size_t>(affine.rows * affine.scale_row_bytes()));
    std::vector<std::byte> biases(scales.size());
    ASSERT_TRUE(ops::affine_tables(view, affine.format.dtype, scales.data(), biases.data()));
    affine.scales = scales.data();
    affine.biases = biases.data();
    std::vector<float> close(numbers.size());
    ops::dequantize_rows(affine, 0, affine.rows, close.data());
    EXPECT_LT(relative_error(close, numbers), 7e-4) << name;
  }
  EXPECT_EQ(seen, 7);
}

INSTANTIATE_TEST_SUITE_P(Types, KBlocks, testing::ValuesIn(kTypes),
                         [](const auto& param) { return std::string(block_name(param.param)); });

}  // namespace
}  // namespace varve::checkpoint
