#pragma once
// Names: which stored tensors make up which canonical ones, or which of MLX's, by the family's rules. No
// data is touched.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "family/answers.h"
#include "family/family.h"
#include "family/row_plan.h"
#include "family/stored_tensor.h"

namespace varve::family {

/// A tensor under the name that the rules give it.
struct MappedTensor {
  std::vector<std::shared_ptr<const StoredTensor>> parts;  // one, or one for each expert (a # in the rule)
  bool stacked = false;                                    // parts are experts
  bool transposed = false;                                 // of each part, before `rows`
  RowPlan rows;                                            // of each part's matrix, or of a vector's elements
  int64_t cuts = 0;                                        // the rows are so many matrices of a stack; 0: one
  bool turned = false;                                     // of each matrix, after `rows`
  std::vector<float>
      factors;  // of each stored row, or one for all; the products are rounded to the stored dtype
  double add = 0;
  bool kernel = false;  // of a convolution
  bool claimed = false;

  const StoredTensor& first() const { return *parts.front(); }
  bool is_scaled() const;
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

/// Both names of everything: the canonical ones, and those that MLX gives the family with its layout, by
/// [mlx] and [gguf.mlx].
struct MlxNames {
  MappedNames canonical, mlx;
};
MlxNames map_mlx_names(const checkpoint::Checkpoint& checkpoint, const Family& family, const ConfigView& view,
                       Answers& model);

/// Is the name one of those?
bool matches_any(const std::vector<Pattern>& patterns, std::string_view name);

}  // namespace varve::family
