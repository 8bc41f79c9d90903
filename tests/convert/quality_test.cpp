// Errors of weights against their source, on tensors whose errors a hand can compute.
#include "convert/quality.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "core/error.h"

namespace varve::convert {
namespace {

/// Tensors in memory: dense float32, or words of 8 bits with float32 scales and biases in groups of 32.
class Weights final : public nn::WeightSource {
 public:
  void dense(const std::string& name, std::vector<int64_t> shape, std::vector<float> numbers) {
    Held& held = held_[name];
    held.info = {std::move(shape), {.dtype = DType::f32}, 0};
    held.numbers = std::move(numbers);
  }
  /// Every code is `code`: each number is code * scale + bias.
  void affine(const std::string& name, std::vector<int64_t> shape, uint8_t code, float scale, float bias) {
    int64_t count = 1;
    for (const int64_t dim : shape) count *= dim;
    Held& held = held_[name];
    held.info = {std::move(shape), {ops::Encoding::affine, DType::f32, 8, 32}, 0};
    held.words.assign(static_cast<size_t>(count), code);
    held.scales.assign(static_cast<size_t>(count / 32), scale);
    held.biases.assign(static_cast<size_t>(count / 32), bias);
  }
  void bytes(const std::string& name) { held_[name].info = {{4}, {.dtype = DType::u8}, 4}; }

  std::optional<Info> find(std::string_view name) override {
    const auto found = held_.find(name);
    return found == held_.end() ? std::nullopt : std::optional(found->second.info);
  }
  nn::SourceMatrix matrix(std::string_view name, int64_t expert) override {
    const Held& held = held_.find(name)->second;
    const std::vector<int64_t>& shape = held.info.shape;
    ops::WeightView view{.format = held.info.format, .rows = shape[shape.size() - 2], .cols = shape.back()};
    const int64_t skipped = expert * view.rows * view.cols;
    if (held.words.empty()) {
      view.data = reinterpret_cast<const std::byte*>(held.numbers.data() + skipped);
    } else {
      view.data = reinterpret_cast<const std::byte*>(held.words.data() + skipped);
      view.scales = reinterpret_cast<const std::byte*>(held.scales.data() + skipped / 32);
      view.biases = reinterpret_cast<const std::byte*>(held.biases.data() + skipped / 32);
    }
    return {view, nullptr};
  }
  std::vector<float> numbers(std::string_view name) override { return held_.find(name)->second.numbers; }
  std::vector<Unclaimed> unclaimed() const override { return {}; }
  std::vector<std::string> names() const override {
    std::vector<std::string> out;
    for (const auto& [name, held] : held_) out.push_back(name);
    return out;
  }
  std::string where() const override { return "memory"; }

 private:
  struct Held {
    Info info;
    std::vector<float> numbers, scales, biases;
    std::vector<uint8_t> words;
  };
  std::map<std::string, Held, std::less<>> held_;
};

TEST(CompareWeights, RelativeErrorsWorstFirst) {
  Weights source, result;
  source.dense("same", {4}, {1, 2, 3, 4});
  result.dense("same", {4}, {1, 2, 3, 4});
  source.dense("vector", {2}, {3, 4});
  result.dense("vector", {2}, {3, 4.5});  // 0.5 of 5
  source.dense("matrix", {2, 32}, std::vector<float>(64, 2.0f));
  result.affine("matrix", {2, 32}, 3, 0.5f, 1.0f);  // every number 2.5
  const WeightReport errors = compare_weights(source, result, {});
  EXPECT_EQ(errors.tensors, 3);
  EXPECT_EQ(errors.changed, 2);
  ASSERT_EQ(errors.worst.size(), 2u);
  EXPECT_EQ(errors.worst[0].name, "matrix");
  EXPECT_EQ(errors.worst[0].relative, 0.25);
  EXPECT_EQ(errors.worst[0].shape, (std::vector<int64_t>{2, 32}));
  EXPECT_EQ(errors.worst[1].name, "vector");
  EXPECT_EQ(errors.worst[1].relative, 0.1);
  EXPECT_DOUBLE_EQ(errors.relative, std::sqrt((0.25 + 64 * 0.25) / (30 + 25 + 64 * 4.0)));
}

TEST(CompareWeights, StacksAndManyBlocksOfRowsCountWhole) {
  // Three matrices of 70,000 rows: several blocks each, one number wrong in the last.
  Weights source, result;
  const std::vector<int64_t> shape{3, 70'000, 32};
  source.affine("stack", shape, 1, 1.0f, 0.0f);
  std::vector<float> numbers(3 * 70'000 * 32, 1.0f);
  numbers.back() = 1001.0f;
  result.dense("stack", shape, numbers);
  uint64_t last = 0;
  const WeightReport alone = compare_weights(source, result, {.progress = [&](uint64_t done, uint64_t total) {
                                               last = done;
                                               EXPECT_EQ(total, 6'720'000u);
                                             }});
  EXPECT_EQ(last, 6'720'000u);
  EXPECT_DOUBLE_EQ(alone.worst.at(0).relative, 1000 / std::sqrt(6'720'000.0));
  ThreadPool pool(3);
  EXPECT_EQ(compare_weights(source, result, {.pool = &pool}).worst.at(0).relative,
            alone.worst.at(0).relative);
}

TEST(CompareWeights, EveryMatrixOfAnyShapeCounts) {
  Weights source, result;
  const std::vector<int64_t> shape{2, 3, 2, 32};
  source.affine("kernels", shape, 1, 1.0f, 0.0f);
  std::vector<float> numbers(2 * 3 * 2 * 32, 1.0f);
  numbers.back() = 2.0f;
  result.dense("kernels", shape, numbers);
  EXPECT_DOUBLE_EQ(compare_weights(source, result, {}).worst.at(0).relative, 1 / std::sqrt(384.0));
}

TEST(CompareWeights, ListsAsManyAsAreAskedFor) {
  Weights source, result;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "t" + std::to_string(100 + i);
    source.dense(name, {1}, {1});
    result.dense(name, {1}, {1 + static_cast<float>(i * 7 % 20)});
  }
  const WeightReport errors = compare_weights(source, result, {.worst = 3});
  EXPECT_EQ(errors.changed, 19);
  ASSERT_EQ(errors.worst.size(), 3u);
  EXPECT_EQ(errors.worst[0].relative, 19);
  EXPECT_EQ(errors.worst[2].relative, 17);
}

TEST(CompareWeights, ZerosAndNumbersThatAreNone) {
  Weights source, result;
  source.dense("fine", {2}, {1, 1});
  result.dense("fine", {2}, {1, 2});
  source.dense("nan", {2}, {1, 1});
  result.dense("nan", {2}, {1, std::nanf("")});
  source.dense("zeros", {2}, {0, 0});
  result.dense("zeros", {2}, {0, 0});
  source.dense("grown", {2}, {0, 0});
  result.dense("grown", {2}, {0, 1});
  source.bytes("packed");
  const WeightReport errors = compare_weights(source, result, {});
  EXPECT_EQ(errors.tensors, 4) << "bytes are no numbers";
  EXPECT_EQ(errors.changed, 3);
  EXPECT_EQ(errors.worst[0].name, "grown");
  EXPECT_TRUE(std::isinf(errors.worst[0].relative));
  EXPECT_EQ(errors.worst[1].name, "nan");
  EXPECT_TRUE(std::isnan(errors.worst[1].relative));
  EXPECT_EQ(errors.worst[2].name, "fine");
}

TEST(CompareWeights, RefusesWhatDoesNotBelongTogether) {
  Weights source, result;
  source.dense("a", {2}, {1, 1});
  EXPECT_THROW(compare_weights(source, result, {}), LoadError);
  result.dense("a", {3}, {1, 1, 1});
  try {
    compare_weights(source, result, {});
    FAIL();
  } catch (const LoadError& error) {
    EXPECT_EQ(error.parts().expected, "[2]");
    EXPECT_EQ(error.parts().found, "[3]");
  }
}

}  // namespace
}  // namespace varve::convert
