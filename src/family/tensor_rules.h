#pragma once
// Names: which stored tensors make up which canonical ones, by the family's rules. No data is touched.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "family/answers.h"
#include "family/family.h"
#include "family/row_plan.h"

namespace varve::family {

/// One tensor of the checkpoint with what belongs to it. Keeps its files mapped.
struct StoredTensor {
  std::string name;
  checkpoint::Tensor values;
  std::optional<checkpoint::QuantScheme> scheme;  // values are words or fp8; scales (and biases) are set
  checkpoint::Tensor scales, biases;
  /// A packed ternary matrix (checkpoint::Ternary), values [rows / 4, cols]: what a code counts, a number of
  /// type `step_type`.
  std::optional<float> step;
  DType step_type = DType::f32;
  bool ternarise = false;  // plain values, which are made ternary
  /// nvfp4 with a `global_scale`: one factor for all, or one for each expert of a stack. Empty: none.
  std::vector<float> factors;
  /// Counting weights, not words.
  std::vector<int64_t> shape() const;
  /// Not plain numbers as they lie.
  bool is_quantised() const {
    return scheme || step || ternarise || values.block != checkpoint::BlockType::none;
  }
  int64_t bytes() const;
};

/// A canonical tensor.
struct MappedTensor {
  std::vector<std::shared_ptr<const StoredTensor>> parts;  // one, or one for each expert (a # in the rule)
  bool stacked = false;                                    // parts are experts
  bool transposed = false;                                 // of each part, before `rows`
  RowPlan rows;                                            // of each part's matrix, or of a vector's elements
  int64_t cuts = 0;                                        // the rows are so many matrices of a stack; 0: one
  bool turned = false;                                     // of each matrix, after `rows`
  double add = 0;
  bool claimed = false;

  const StoredTensor& first() const { return *parts.front(); }
  std::string stored_names() const;
};

struct MappedNames {
  std::map<std::string, MappedTensor, std::less<>> tensors;
  std::vector<std::string> dropped;  // stored names that a [drop] rule names
};

/// Where a tensor's rows are: the axis before the inputs, or the only (last) axis of a vector or bias.
bool is_vector(std::string_view canonical, const std::vector<int64_t>& shape);

/// Applies [drop], [tensors] and [transforms]. A LoadError when two stored tensors claim one name, an expert
/// of a stack is missing, or a transform does not fit a shape.
MappedNames map_names(const checkpoint::Checkpoint& checkpoint, const Family& family, const ConfigView& view,
                      Answers& model);

}  // namespace varve::family
