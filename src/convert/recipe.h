#pragma once
// What is asked of a conversion, checked as far as that goes without a model: how modules are quantised by
// default, the embedding and the head on their own, MLX's mixed recipes, and a user's own rules by name.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/quantization.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/value.h"
#include "ops/weight.h"

namespace varve::convert {

/// The options as they were given; what is empty was not.
struct RecipeOptions {
  std::string mode;  // affine, mxfp4, nvfp4, mxfp8
  std::optional<int64_t> bits, group_size;
  std::optional<int64_t> embed_bits, head_bits;  // affine words of that many bits
  std::string mixed;                             // one of mixed_recipes()
  std::filesystem::path rules;                   // a file of rules
  std::string dtype;                             // float16, bfloat16, float32
  bool dequantize = false;                       // write numbers
  bool requantize = false;                       // words of the source may become other words
};

/// One line of a rule file: modules whose path fits `pattern` (family/pattern.h).
struct Rule {
  std::string pattern;
  bool keep = false;               // as the source holds it
  checkpoint::QuantScheme scheme;  // unless kept
  int line = 0;
};

struct Recipe {
  checkpoint::QuantScheme base;
  bool asked = false;  // the base comes from options, not from the defaults
  std::optional<checkpoint::QuantScheme> embedding, head;
  std::string mixed;
  int low_bits = 0, high_bits = 0;  // of a mixed recipe
  bool group_asked = false;         // --group-size was given
  std::vector<Rule> rules;          // the first that fits decides
  std::filesystem::path rule_file;
  std::optional<DType> dtype;
  bool dequantize = false, requantize = false;
};

/// "mixed_2_6" and so on, as MLX calls them.
std::vector<std::string> mixed_recipes();

/// Refused: options that exclude each other, bits or groups that a mode does not have. A LoadError when the
/// rule file cannot be meant.
Result<Recipe> make_recipe(const RecipeOptions& options);

/// The same as one table, for the manifest and for telling two recipes apart.
Value describe(const Recipe& recipe);

/// "float16", "bfloat16", "float32" -> the type; nothing for other words.
std::optional<DType> dtype_from_word(std::string_view word);

/// {"group_size": 64, "bits": 4, "mode": "affine"}, as MLX writes it.
Table scheme_table(const checkpoint::QuantScheme& scheme);

/// "affine 4-bit, group 64"
std::string scheme_text(const checkpoint::QuantScheme& scheme);

/// The same of a format; "BF16" of numbers.
std::string format_text(const ops::WeightFormat& format);

}  // namespace varve::convert
