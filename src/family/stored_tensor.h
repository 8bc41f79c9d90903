#pragma once
// One tensor of a checkpoint with what belongs to it: the scales and biases of its words, the step of a
// packed ternary matrix, the factors of nvfp4.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace varve::family {

/// Keeps its files mapped.
struct StoredTensor {
  std::string name;
  checkpoint::Tensor values;
  std::optional<checkpoint::QuantScheme> scheme;  // values are words or fp8; scales (and biases) are set
  checkpoint::Tensor scales, biases;
  /// A packed ternary matrix (checkpoint::Ternary), values [rows / 4, cols]: what a code counts, a number of
  /// type `step_type`.
  std::optional<float> step;
  DType step_type = DType::f32;
  bool packed = false;     // the same, whose bytes are wanted as they lie: numbers to nobody
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

/// Reads a checkpoint's tensors as such. `where` names it in messages.
class StoredTensors {
 public:
  /// What becomes of packed ternary matrices: codes and their step as one, or two tensors as they are stored.
  enum class Ternary : uint8_t { joined, as_stored };
  StoredTensors(const checkpoint::Checkpoint& checkpoint, std::string where, Ternary ternary)
      : checkpoint_(checkpoint), where_(std::move(where)), ternary_(ternary) {}

  /// Scales and biases of a quantised weight travel with it.
  bool belongs_to_another(const std::string& name) const;
  /// What rules know a tensor by: its name, without the ending that says how it is stored.
  std::string name_of(const std::string& name) const;
  std::shared_ptr<StoredTensor> read(const std::string& name, const checkpoint::Tensor& tensor) const;
  /// Plain matrices that the config wants made ternary: those of linear layers. `name` is what the rules
  /// make of its name.
  bool made_ternary(std::string_view name, const StoredTensor& tensor) const;

 private:
  std::optional<checkpoint::QuantScheme> scheme_of(const std::string& weight) const;
  const checkpoint::Tensor* scales_of_blocks(const std::string& name) const;
  const checkpoint::Tensor* step_of(const std::string& name) const;
  void take_blocks(const checkpoint::Tensor& scales, StoredTensor& into) const;
  void take_step(const checkpoint::Tensor& scale, StoredTensor& into) const;
  void read_factors(const checkpoint::Tensor& global, StoredTensor& into) const;
  [[noreturn]] void refuse(std::string what, std::string expected, std::string found) const;

  const checkpoint::Checkpoint& checkpoint_;
  std::string where_;
  Ternary ternary_;
};

}  // namespace varve::family
