#pragma once
// Checkpoints made in memory and family files made of text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "core/error.h"
#include "core/json.h"
#include "family/library.h"
#include "family/resolve.h"
#include "support/errors.h"

namespace varve::family::fixture {

using test::error_of;

/// The smallest config that the llama family takes, with more members on top or instead.
inline Value small_config(const std::string& more = "{}") {
  Value config =
      json::parse(R"({"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1, "vocab_size": 16,
    "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 12, "max_position_embeddings": 64,
    "tie_word_embeddings": true})")
          .value();
  const Value extra = json::parse(more).value();
  for (const auto& [key, value] : extra.table()) config.table().set(key, value);
  return config;
}

/// A checkpoint whose tensors live here.
class MadeCheckpoint {
 public:
  explicit MadeCheckpoint(Value config) { checkpoint.config = std::move(config), checkpoint.path = "/made"; }

  void add_bytes(const std::string& name, std::vector<int64_t> shape, DType dtype,
                 std::vector<std::byte> bytes) {
    bytes_.push_back(std::make_unique<std::vector<std::byte>>(std::move(bytes)));
    checkpoint::Tensor tensor;
    tensor.dtype = dtype;
    tensor.shape = std::move(shape);
    tensor.bytes = *bytes_.back();
    checkpoint.tensors[name] = tensor;
  }
  /// float32 numbers first, first + 1, ...
  void add(const std::string& name, std::vector<int64_t> shape, float first = 0) {
    size_t count = 1;
    for (const int64_t dim : shape) count *= static_cast<size_t>(dim);
    std::vector<float> numbers(count);
    std::iota(numbers.begin(), numbers.end(), first);
    std::vector<std::byte> bytes(count * sizeof(float));
    std::memcpy(bytes.data(), numbers.data(), bytes.size());
    add_bytes(name, std::move(shape), DType::f32, std::move(bytes));
  }

  checkpoint::Checkpoint checkpoint;

 private:
  std::vector<std::unique_ptr<std::vector<std::byte>>> bytes_;
};

/// The built-in families and one more, "mine", from a text.
inline FamilyLibrary library_with(const std::string& text) {
  FamilyLibrary library = FamilyLibrary::builtin();
  library.add("mine", "mine.toml", text);
  return library;
}

/// The spec that family `name` makes of a config alone.
inline nn::ModelSpec spec_of(const FamilyLibrary& library, const std::string& name, const Value& config) {
  SpecReport report;
  return resolve_config(*library.find(name),
                        {.config = config, .gguf = false, .arch = {}, .where = "config.json"}, report);
}

/// The matrix or vector as float32.
inline std::vector<float> numbers(nn::WeightSource& weights, const std::string& name) {
  EXPECT_TRUE(weights.find(name).has_value()) << name;
  return weights.numbers(name);
}

}  // namespace varve::family::fixture
