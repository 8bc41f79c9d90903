#pragma once
// Where a binder finds tensors under canonical names, whatever the checkpoint calls them and however they
// are fused, split, stacked or transposed there. Implemented by src/family over a checkpoint.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/weight.h"

namespace varve::nn {

/// A matrix ready to pack: the view, and what keeps its bytes alive.
struct SourceMatrix {
  ops::WeightView view;
  std::shared_ptr<const void> owner;
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;

  /// What the checkpoint holds under a canonical tensor name ("model.norm.weight"): the logical shape
  /// (quantised matrices count weights, not words), or nothing. Marks the name as claimed.
  struct Info {
    std::vector<int64_t> shape;
    ops::WeightFormat format;
    int64_t stored_bytes = 0;
  };
  virtual std::optional<Info> find(std::string_view name) = 0;

  /// The matrix [rows, cols] of `name`; for a stack [experts, rows, cols], that of one expert. Only after
  /// find() gave that shape.
  virtual SourceMatrix matrix(std::string_view name, int64_t expert = 0) = 0;

  /// Rows [first, first + count) of that matrix, for those who take a large one in pieces. A source whose
  /// matrices have to be made makes those rows alone, where it can.
  virtual SourceMatrix rows(std::string_view name, int64_t expert, int64_t first, int64_t count);

  /// All elements as float32 in row-major order, transforms applied (such as a norm's added one).
  virtual std::vector<float> numbers(std::string_view name) = 0;

  /// Canonical names that are there and nobody has claimed, with what the checkpoint calls them.
  struct Unclaimed {
    std::string canonical;
    std::string stored;
  };
  virtual std::vector<Unclaimed> unclaimed() const = 0;
  virtual std::vector<std::string> names() const = 0;
  /// The checkpoint's file or directory, for messages.
  virtual std::string where() const = 0;
};

}  // namespace varve::nn
