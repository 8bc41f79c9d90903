#pragma once
// How a config says that its weights are quantised: the "quantization" member of MLX, with defaults for the
// whole checkpoint and overrides by module; or Hugging Face's "quantization_config" of quant_method fp8.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/value.h"

namespace varve::checkpoint {

/// MLX's modes, and fp8: e4m3 numbers with a scale (NAME_scale_inv) for each block of them.
enum class QuantMode : uint8_t { affine, mxfp4, nvfp4, mxfp8, fp8 };

/// "affine", "mxfp4" ... as the config spells it.
std::string_view mode_name(QuantMode mode);

struct QuantScheme {
  QuantMode mode = QuantMode::affine;
  int bits = 0;
  int group_size = 0;  // inputs that share a scale
  int block_rows = 1;  // outputs that do, in fp8
  bool operator==(const QuantScheme&) const = default;
};

struct Quantization {
  std::optional<QuantScheme> fallback;  // for every module that has scales and no override
  /// Overrides by module path as the config writes it; no scheme: the module is not quantised.
  std::map<std::string, std::optional<QuantScheme>, std::less<>> modules;

  /// How `module` ("model.layers.0.mlp.up_proj", as the checkpoint names it) is quantised, given that it
  /// has .scales; nothing when an override says that it is not. An override may also stand under the path
  /// without its leading "language_model.".
  std::optional<QuantScheme> scheme(std::string_view module) const;
  bool any() const { return fallback.has_value() || !modules.empty(); }
};

/// Reads "quantization", or "quantization_config" with MLX's keys or of quant_method fp8 where there is none.
/// What is absent or null in a table takes its mode's default; an override does not inherit from the table it
/// stands in, as in MLX. Foreign schemes (awq, gptq, bitsandbytes, compressed-tensors ...), fp8 with one
/// scale for a whole tensor or with activations of a fixed scale, and combinations that MLX does not have are
/// refused by name with a LoadError for `where`.
Quantization read_quantization(const Value& config, const std::string& where);

}  // namespace varve::checkpoint
