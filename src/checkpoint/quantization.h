#pragma once
// The "quantization" member of an MLX config: defaults for the whole checkpoint and overrides by module.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/value.h"

namespace varve::checkpoint {

enum class QuantMode : uint8_t { affine, mxfp4, nvfp4, mxfp8 };

struct QuantScheme {
  QuantMode mode = QuantMode::affine;
  int bits = 0;
  int group_size = 0;
  bool operator==(const QuantScheme&) const = default;
};

struct Quantization {
  std::optional<QuantScheme> fallback;  // for every module that has .scales and no override
  /// Overrides by module path as the config writes it; no scheme: the module is not quantised.
  std::map<std::string, std::optional<QuantScheme>, std::less<>> modules;

  /// How `module` ("model.layers.0.mlp.up_proj", as the checkpoint names it) is quantised, given that it
  /// has .scales; nothing when an override says that it is not.
  std::optional<QuantScheme> scheme(std::string_view module) const;
  bool any() const { return fallback.has_value() || !modules.empty(); }
};

/// Reads "quantization" (or "quantization_config" with MLX's keys). Foreign schemes (awq, gptq,
/// bitsandbytes, compressed-tensors, fp8 ...) are refused by name with a LoadError for `where`.
Quantization read_quantization(const Value& config, const std::string& where);

}  // namespace varve::checkpoint
