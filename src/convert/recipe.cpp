#include "convert/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/toml.h"

namespace varve::convert {

using checkpoint::QuantScheme;

namespace {

/// Those of mlx-lm's convert.py: bits of most modules, and of those that matter more.
struct Mixed {
  const char* name;
  int low, high;
};
constexpr std::array<Mixed, 4> kMixed = {
    {{"mixed_2_6", 2, 6}, {"mixed_3_4", 3, 4}, {"mixed_3_6", 3, 6}, {"mixed_4_6", 4, 6}}};

[[noreturn]] void refuse_rule(const std::filesystem::path& file, int line, LoadError::Parts parts) {
  parts.where = fmt::format("{}:{}", file.string(), line);
  throw LoadError(std::move(parts));
}

std::optional<int64_t> whole_number(const Value& table, const char* key, const Rule& rule,
                                    const std::filesystem::path& file) {
  const Value* value = table.find(key);
  if (!value) return std::nullopt;
  if (!value->is_integer())
    refuse_rule(file, rule.line,
                {.what = fmt::format("{} of a rule", key),
                 .expected = "a whole number",
                 .found = std::string(value->kind_name())});
  return value->integer();
}

Rule read_rule(const std::string& pattern, const Value& table, const std::filesystem::path& file) {
  Rule rule{.pattern = pattern, .keep = false, .scheme = {}, .line = table.line()};
  const std::vector<std::string> known{"bits", "group_size", "mode", "keep"};
  if (!table.is_table())
    refuse_rule(file, rule.line,
                {.what = fmt::format("the rule \"{}\" is no table", pattern),
                 .expected = R"("*.down_proj" = { bits = 6, group_size = 64 } or { keep = true })",
                 .found = std::string(table.kind_name())});
  for (const auto& [key, value] : table.table())
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const std::string near = nearest(key, known);
      refuse_rule(file, rule.line,
                  {.what = fmt::format("a rule has no \"{}\"", key),
                   .expected = fmt::format("{}", fmt::join(known, ", ")),
                   .advice = near.empty() ? "" : fmt::format("Did you mean \"{}\"?", near)});
    }
  const Value* keep = table.find("keep");
  if (keep && !keep->is_boolean())
    refuse_rule(file, rule.line,
                {.what = "keep of a rule", .expected = "true", .found = std::string(keep->kind_name())});
  rule.keep = keep && keep->boolean();
  if (rule.keep && table.table().size() > 1)
    refuse_rule(file, rule.line, {.what = "a rule that keeps a module says nothing else about it"});
  if (rule.keep) return rule;
  if (!table.find("bits") && !table.find("group_size") && !table.find("mode"))
    refuse_rule(file, rule.line,
                {.what = fmt::format("the rule \"{}\" says nothing", pattern),
                 .expected = R"({ bits = 6 }, { mode = "mxfp8" } or { keep = true })"});
  const Value* mode = table.find("mode");
  if (mode && !mode->is_text())
    refuse_rule(file, rule.line,
                {.what = "mode of a rule", .expected = "a text", .found = std::string(mode->kind_name())});
  const auto scheme =
      checkpoint::make_scheme(mode ? mode->text() : "affine", whole_number(table, "bits", rule, file),
                              whole_number(table, "group_size", rule, file));
  if (!scheme) refuse_rule(file, rule.line, {.what = scheme.error().message});
  rule.scheme = scheme.value();
  return rule;
}

std::vector<Rule> read_rules(const std::filesystem::path& file) {
  const Value text = toml::read_file(file);
  std::vector<Rule> rules;
  for (const auto& [pattern, table] : text.table()) rules.push_back(read_rule(pattern, table, file));
  if (rules.empty()) refuse_rule(file, 1, {.what = "the file has no rule"});
  return rules;
}

std::optional<RequestError> contradiction(const RecipeOptions& o) {
  const bool quantises = !o.mode.empty() || o.bits || o.group_size || o.embed_bits || o.head_bits ||
                         !o.mixed.empty() || !o.rules.empty();
  if (o.dequantize && quantises)
    return RequestError{"--dequantize writes numbers: it goes with no option that quantises", "dequantize"};
  if (o.dequantize && o.requantize)
    return RequestError{"--dequantize and --requantize exclude each other", "dequantize"};
  if (!o.mixed.empty() && o.bits)
    return RequestError{fmt::format("--recipe {} says the bits itself: leave --bits out", o.mixed), "bits"};
  if (!o.mixed.empty() && !o.mode.empty() && o.mode != "affine")
    return RequestError{fmt::format("--recipe {} is affine, not {}", o.mixed, o.mode), "mode"};
  return std::nullopt;
}

}  // namespace

std::vector<std::string> mixed_recipes() {
  std::vector<std::string> names;
  for (const Mixed& one : kMixed) names.emplace_back(one.name);
  return names;
}

Result<Recipe> make_recipe(const RecipeOptions& options) {
  if (const auto error = contradiction(options)) return *error;
  Recipe recipe;
  const std::string mode = options.mode.empty() ? "affine" : options.mode;
  const auto base = checkpoint::make_scheme(mode, options.bits, options.group_size);
  if (!base) return base.error();
  recipe.base = base.value();
  recipe.asked = !options.mode.empty() || options.bits || options.group_size || !options.mixed.empty();
  recipe.group_asked = options.group_size.has_value();
  // Embedding and head are affine whatever the mode: the other modes have one width each.
  const std::optional<int64_t> group = mode == "affine" ? options.group_size : std::nullopt;
  for (const auto& [asked, into] :
       {std::pair{options.embed_bits, &recipe.embedding}, std::pair{options.head_bits, &recipe.head}}) {
    if (!asked) continue;
    const auto scheme = checkpoint::make_scheme("affine", asked, group);
    if (!scheme) return scheme.error();
    *into = scheme.value();
  }
  if (!options.mixed.empty()) {
    const auto* found = std::find_if(kMixed.begin(), kMixed.end(),
                                     [&](const Mixed& one) { return one.name == options.mixed; });
    if (found == kMixed.end())
      return RequestError{
          fmt::format("'{}' is no recipe; there are {}", options.mixed, fmt::join(mixed_recipes(), ", ")),
          "recipe"};
    recipe.mixed = found->name;
    recipe.low_bits = found->low;
    recipe.high_bits = found->high;
  }
  if (!options.dtype.empty()) {
    recipe.dtype = dtype_from_word(options.dtype);
    if (!recipe.dtype)
      return RequestError{
          fmt::format("'{}' is no dtype; there are float16, bfloat16 and float32", options.dtype), "dtype"};
  }
  recipe.dequantize = options.dequantize;
  recipe.requantize = options.requantize;
  recipe.rule_file = options.rules;
  if (!options.rules.empty()) recipe.rules = read_rules(options.rules);
  return recipe;
}

Value describe(const Recipe& recipe) {
  Table out;
  if (recipe.dequantize) {
    out.set("dequantize", true);
  } else {
    out = scheme_table(recipe.base);
    if (!recipe.mixed.empty()) out.set("recipe", recipe.mixed);
    if (recipe.embedding) out.set("embedding", scheme_table(*recipe.embedding));
    if (recipe.head) out.set("head", scheme_table(*recipe.head));
    Table rules;
    for (const Rule& rule : recipe.rules) {
      Table keep;
      keep.set("keep", true);
      rules.set(rule.pattern, rule.keep ? keep : scheme_table(rule.scheme));
    }
    if (!rules.empty()) out.set("rules", std::move(rules));
    if (recipe.requantize) out.set("requantize", true);
  }
  if (recipe.dtype) out.set("dtype", dtype_name(*recipe.dtype));
  return Value(std::move(out));
}

std::optional<DType> dtype_from_word(std::string_view word) {
  if (word == "float16") return DType::f16;
  if (word == "bfloat16") return DType::bf16;
  if (word == "float32") return DType::f32;
  return std::nullopt;
}

Table scheme_table(const QuantScheme& scheme) {
  Table table;
  table.set("group_size", scheme.group_size);
  table.set("bits", scheme.bits);
  table.set("mode", checkpoint::mode_name(scheme.mode));
  return table;
}

std::string scheme_text(const QuantScheme& scheme) {
  return fmt::format("{} {}-bit, group {}", checkpoint::mode_name(scheme.mode), scheme.bits,
                     scheme.group_size);
}

std::string format_text(const ops::WeightFormat& format) {
  constexpr const char* kNames[] = {"", "affine", "mxfp4", "nvfp4", "mxfp8", "fp8", "K-quant"};
  if (format.encoding == ops::Encoding::dense) return std::string(dtype_name(format.dtype));
  return fmt::format("{} {}-bit, group {}", kNames[static_cast<size_t>(format.encoding)], format.bits,
                     format.group);
}

}  // namespace varve::convert
