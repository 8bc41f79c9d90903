#pragma once
// A recipe applied to the modules of one model: what becomes of each tensor, and what the config has to say
// of it. The order in which the rules are asked: the rule file, --embed-bits and --head-bits, the mixed
// recipe or what MLX pins for the family, the default. Words that the source holds stay unless --requantize.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/recipe.h"
#include "family/mlx_form.h"
#include "ops/weight.h"

namespace varve::convert {

struct Decision {
  enum class Kind : uint8_t {
    numbers,   // floats of `dtype`
    words,     // the source's own words
    quantise,  // new words of `format`
    bytes,     // as stored, whatever they mean
  };
  Kind kind = Kind::numbers;
  DType dtype = DType::f32;  // of the numbers, or to which they are rounded before they become words
  ops::WeightFormat format;  // words, quantise
  bool loses = false;        // quantise: the source holds other words
  bool no_groups = false;    // numbers: only because the rows are no whole groups
  Value entry;               // what the config says under the module's path; null: nothing
};

struct Decisions {
  std::vector<Decision> tensors;  // beside MlxForm::tensors
  Value quantization;             // the config's table; null: it has none
};

/// The path of a module by the name of its weight.
std::string module_path(const std::string& tensor);

/// What ops::WeightFormat a scheme is; `dtype` is that of affine scales and biases.
ops::WeightFormat format_of(const checkpoint::QuantScheme& scheme, DType dtype);

/// A LoadError lists what the source holds in other words than asked for, a rule that fits nothing, a head
/// that there is not, a mixed recipe for a model without the modules that it is about.
Decisions decide(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form, const Recipe& recipe);

}  // namespace varve::convert
