#pragma once
// The tensors of a checkpoint under canonical names, or under MLX's. Views point into the mapped files
// wherever a transform needs no new bytes: splits and experts are offsets, for quantised words too; permuted
// rows and GGUF blocks are copied when asked for and belong to the matrix that was asked for.
#include <string>
#include <vector>

#include "family/tensor_rules.h"
#include "nn/weight_source.h"

namespace varve::family {

class TensorMap : public nn::WeightSource {
 public:
  TensorMap(MappedNames names, std::string where) : names_(std::move(names)), where_(std::move(where)) {}

  /// A LoadError when the tensor is stored in a way nothing computes with.
  std::optional<Info> find(std::string_view name) override;
  nn::SourceMatrix matrix(std::string_view name, int64_t expert = 0) override;
  nn::SourceMatrix rows(std::string_view name, int64_t expert, int64_t first, int64_t count) override;
  std::vector<float> numbers(std::string_view name) override;
  std::vector<Unclaimed> unclaimed() const override;
  std::vector<std::string> names() const override;
  std::string where() const override { return where_; }

  /// Stored names that the family leaves out on purpose.
  const std::vector<std::string>& dropped() const { return names_.dropped; }
  /// The highest N of "model.layers.N." plus one.
  int64_t layers() const;
  /// What is behind a name that find() gave.
  const MappedTensor& get(std::string_view name) const;

 private:
  MappedNames names_;
  std::string where_;
};

}  // namespace varve::family
