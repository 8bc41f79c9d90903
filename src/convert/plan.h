#pragma once
// What a conversion will write, known to the byte before anything is written: every output tensor with its
// place, the shards with their headers, config.json and the index.
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/decide.h"
#include "convert/recipe.h"
#include "core/value.h"
#include "family/mlx_form.h"

namespace varve::convert {

struct OutTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  // of words where it holds words
  uint64_t bytes = 0;
  size_t shard = 0;
  uint64_t offset = 0;  // in its file
};

/// One tensor of the MLX form and what is written of it: one tensor, or words with their tables.
struct Job {
  size_t source = 0;  // in MlxForm::tensors
  Decision decision;
  size_t first = 0;  // its first OutTensor: weight, then scales, then biases
  size_t count = 1;
  uint64_t source_bytes = 0;
};

struct Shard {
  std::string file;    // "model-00001-of-00002.safetensors"
  std::string header;  // with its length before it
  uint64_t bytes = 0;  // of the file
};

struct Plan {
  std::vector<OutTensor> tensors;
  std::vector<Job> jobs;  // in the order in which the source lies
  std::vector<Shard> shards;
  Value config, index;
  uint64_t source_bytes = 0;
  uint64_t tensor_bytes = 0;      // of all output tensors
  uint64_t file_bytes = 0;        // of all shards
  uint64_t total_parameters = 0;  // as mlx-lm counts them
  uint64_t numbers = 0;           // in all tensors
  uint64_t without_groups = 0;    // modules that stay numbers since their rows are no whole groups
  /// 64 hex digits that stand for all of it.
  std::string digest;
  double bits_per_weight() const;
  /// "affine 4-bit, group 64", by the config; "not quantised".
  std::string summary() const;
};

inline constexpr uint64_t kShardBytes = uint64_t{5} << 30;  // as mlx-lm

struct PlanInput {
  const checkpoint::Checkpoint& checkpoint;
  const family::MlxForm& form;
  const Recipe& recipe;
  uint64_t shard_bytes = kShardBytes;
  /// Tensors of the form whose scales have no float16, so that they stay float32.
  std::vector<std::string> wide = {};
};
/// A LoadError as decide() gives it.
Plan make_plan(const PlanInput& input);

}  // namespace varve::convert
