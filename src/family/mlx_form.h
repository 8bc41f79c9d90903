#pragma once
// A checkpoint under the names and in the layout in which MLX keeps its family: what a converter writes. The
// rules are the [mlx] and [gguf.mlx] tables of the family's file; where a family has none, its tensors keep
// the names and layout that Hugging Face gives them. A checkpoint that MLX wrote is its own MLX form.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "core/value.h"
#include "family/library.h"
#include "nn/weight_source.h"
#include "ops/weight.h"

namespace varve::family {

/// One tensor of the MLX form of a checkpoint.
struct MlxTensor {
  enum class Role : uint8_t { other, embedding, head };

  std::string name;            // "model.layers.0.mlp.switch_mlp.up_proj.weight"
  std::vector<int64_t> shape;  // of numbers, not words; modules: [out, in], or [experts, out, in]
  ops::WeightFormat format;    // how the source holds it
  bool module = false;  // the weight of a linear layer, embedding or stack of experts: MLX may quantise it
  Role role = Role::other;  // by what the family makes of it, whatever it is called
  bool eight_bits = false;  // MLX pins this module to affine words of 8 bits, group 64, whatever is asked
  bool keep_dtype = false;  // exempt from the cast to the output's dtype
  bool decoded = false;     // the source has words that no format here says; these are their numbers
  /// Bytes to be copied as they lie, numbers to nobody here: `format` is dense with their dtype (u8), and
  /// weights->matrix(name) is a view of them. Such are the packed matrices of bitnet.
  bool as_stored = false;
};

struct MlxForm {
  /// In the order in which their sources lie: by file, then by offset.
  std::vector<MlxTensor> tensors;
  /// The tensors under those names. find(), then matrix(name, expert) of modules, rows() of those that are
  /// too large for one piece, numbers() of the rest. Views into the mapped files wherever rows lie as they
  /// are wanted.
  std::unique_ptr<nn::WeightSource> weights;
  /// config.json without the keys of a quantisation. Where tensors are as stored those keys stand: they hold
  /// until a module is quantised, and then "quantization" takes their place.
  Value config;
  std::vector<std::string> left_out;  // stored tensors that have no place in it
  std::vector<std::string> unread;    // tensors for which mlx-lm has no place, so that only varve reads it
  std::string family;
};

/// A LoadError when the checkpoint cannot be resolved, when its tensors are not those that its model binds,
/// or when the family cannot say its config in Hugging Face's keys.
MlxForm mlx_form(const checkpoint::Checkpoint& checkpoint, const FamilyLibrary& library);

}  // namespace varve::family
