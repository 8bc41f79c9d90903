#pragma once
// How a config says that weights are quantised: MLX's "quantization", with defaults for the whole checkpoint
// and overrides by module, and those of Hugging Face's schemes whose words lie in the file without loss.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
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

/// What MLX makes of a mode by name, with its defaults for what is not said; refused where MLX has no such
/// combination.
Result<QuantScheme> make_scheme(std::string_view mode, std::optional<int64_t> bits,
                                std::optional<int64_t> group_size);

/// Weights of -1, 0 and 1 times one number (Ma et al. 2024, "The Era of 1-bit LLMs"), as Transformers'
/// "bitnet" integration keeps them: X.weight U8 [rows / 4, cols] and X.weight_scale [1].
struct Ternary {
  bool divides = false;           // a weight is its code divided by weight_scale, not multiplied
  bool online = false;            // X.weight holds plain numbers, which are made ternary where they are used
  std::vector<std::string> kept;  // online: modules that stay as they are
  /// Whether a module by its stored path is one of `kept`: begins with such a path, or ends with its text.
  bool keeps(std::string_view module) const;
};

struct Quantization {
  std::optional<QuantScheme> fallback;  // for every module that has scales and no override
  /// Overrides by module path as the config writes it; no scheme: the module is not quantised.
  std::map<std::string, std::optional<QuantScheme>, std::less<>> modules;
  std::optional<Ternary> ternary;  // for U8 weights that have a .weight_scale

  /// How `module` ("model.layers.0.mlp.up_proj", as the checkpoint names it) is quantised, given that it
  /// has .scales; nothing when an override says that it is not. An override may also stand under the path
  /// without its leading "language_model.".
  std::optional<QuantScheme> scheme(std::string_view module) const;
  bool any() const { return fallback || ternary || !modules.empty(); }
};

/// Reads "quantization", or "quantization_config" with MLX's keys where there is none. What is absent or
/// null in a table takes its mode's default; an override does not inherit from the table it stands in, as in
/// MLX. Hugging Face's mxfp4 is that fallback too (its tensors are X_blocks and X_scales), and so is its fp8
/// in blocks; its bitnet is `ternary`. Other schemes (awq, gptq, bitsandbytes, compressed-tensors ...), fp8
/// with one scale for a whole tensor or with activations of a fixed scale, and combinations that MLX does not
/// have are refused by name with a LoadError for `where`.
Quantization read_quantization(const Value& config, const std::string& where);

}  // namespace varve::checkpoint
