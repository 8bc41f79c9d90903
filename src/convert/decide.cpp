#include "convert/decide.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>

#include "convert/mixed.h"
#include "family/pattern.h"
#include "ops/mlx_words.h"

namespace varve::convert {

using checkpoint::QuantMode;
using checkpoint::QuantScheme;
using family::MlxTensor;
using ops::Encoding;

namespace {

constexpr QuantScheme kEightBits{.mode = QuantMode::affine, .bits = 8, .group_size = 64, .block_rows = 1};

/// The words of a format as MLX can say them; nothing for numbers and for words that MLX does not have.
std::optional<QuantScheme> mlx_scheme(const ops::WeightFormat& format) {
  constexpr std::pair<Encoding, std::string_view> kModes[] = {{Encoding::affine, "affine"},
                                                              {Encoding::mxfp4, "mxfp4"},
                                                              {Encoding::nvfp4, "nvfp4"},
                                                              {Encoding::mxfp8, "mxfp8"}};
  for (const auto& [encoding, mode] : kModes)
    if (format.encoding == encoding)
      if (const auto scheme = checkpoint::make_scheme(mode, format.bits, format.group)) return scheme.value();
  return std::nullopt;
}

/// The words that the source holds, as MLX can say them with the same codes.
std::optional<QuantScheme> held_words(const ops::WeightFormat& format) {
  const bool same_codes = format.encoding != Encoding::kquant || format.group == 32;
  return same_codes ? mlx_scheme(ops::mlx_format(format)) : std::nullopt;
}

/// What a recipe wants of one module.
struct Wish {
  QuantScheme scheme;
  bool keep = false;
  bool asked = false;  // by name or by option, so that other words of the source are in its way
  bool pinned = false;
  Value entry;  // of the config, where MLX writes one whatever the default is
};

class Decider {
 public:
  Decider(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form, const Recipe& recipe)
      : checkpoint_(checkpoint), form_(form), recipe_(recipe), target_(target()) {
    for (const MlxTensor& tensor : form.tensors) {
      if (tensor.module) modules_.push_back(module_path(tensor.name));
      stored_ = stored_ || tensor.as_stored;
    }
    if (!recipe.mixed.empty()) mixed_ = std::make_unique<MixedLayers>(modules_, where());
    check_roles();
    check_rules();
    const Value* table = checkpoint.config.find("quantization");
    mlx_table_ = checkpoint.layout == checkpoint::Checkpoint::Layout::safetensors && table &&
                         table->is_table() && !table->find("quant_method")
                     ? table
                     : nullptr;
  }

  Decisions run() {
    Decisions out;
    for (const MlxTensor& tensor : form_.tensors) out.tensors.push_back(decide(tensor));
    if (!conflicts_.empty()) refuse_conflicts();
    if (!recipe_.dequantize && !stored_) out.quantization = config_table(out.tensors);
    return out;
  }

 private:
  std::string where() const { return checkpoint_.path.string(); }

  /// As mlx-lm: what the config calls torch_dtype, or what its text model's config calls dtype.
  std::optional<DType> target() const {
    if (recipe_.dtype) return recipe_.dtype;
    const Value* word = form_.config.find("torch_dtype");
    if (!word || word->is_null()) word = form_.config.find_path("text_config.dtype");
    return word && word->is_text() ? dtype_from_word(word->text()) : std::nullopt;
  }

  void check_roles() const {
    const auto has = [&](MlxTensor::Role role) {
      return std::any_of(form_.tensors.begin(), form_.tensors.end(),
                         [&](const MlxTensor& tensor) { return tensor.module && tensor.role == role; });
    };
    if (recipe_.head && !has(MlxTensor::Role::head))
      throw LoadError({.what = "--head-bits: the model has no head of its own; its embedding is the head too",
                       .where = where(),
                       .expected = {},
                       .found = {},
                       .advice = "Give --embed-bits."});
    if (recipe_.embedding && !has(MlxTensor::Role::embedding))
      throw LoadError({.what = "--embed-bits: MLX keeps no embedding of this model that could be quantised",
                       .where = where(),
                       .expected = {},
                       .found = {},
                       .advice = {}});
    const bool asked = recipe_.asked || recipe_.embedding || recipe_.head || !recipe_.rules.empty() ||
                       recipe_.dequantize || recipe_.requantize;
    if (stored_ && asked)
      throw LoadError({.what = "this checkpoint's ternary matrices are copied as they are, and MLX's config "
                               "has no place for another quantisation beside them",
                       .where = where(),
                       .expected = {},
                       .found = {},
                       .advice = "Convert it without options for bits, modes, rules or numbers."});
  }

  void check_rules() const {
    for (const Rule& rule : recipe_.rules) {
      if (std::any_of(modules_.begin(), modules_.end(), [&](const std::string& path) {
            return family::match_pattern(rule.pattern, path).has_value();
          }))
        continue;
      const std::string near = nearest(rule.pattern, modules_);
      throw LoadError(
          {.what = fmt::format("the rule \"{}\" fits no module of this model", rule.pattern),
           .where = fmt::format("{}:{}", recipe_.rule_file.string(), rule.line),
           .expected = modules_.empty() ? "" : fmt::format("such as \"{}\"", modules_[modules_.size() / 2]),
           .found = {},
           .advice = near.empty() ? "`varve convert --dry-run` lists the modules."
                                  : fmt::format("Did you mean \"{}\"?", near)});
    }
  }

  Wish wish(const MlxTensor& tensor, const std::string& path) const {
    for (const Rule& rule : recipe_.rules)
      if (family::match_pattern(rule.pattern, path))
        return {.scheme = rule.scheme,
                .keep = rule.keep,
                .asked = true,
                .pinned = false,
                .entry = rule.keep ? Value() : Value(scheme_table(rule.scheme))};
    const auto& by_role = tensor.role == MlxTensor::Role::embedding ? recipe_.embedding
                          : tensor.role == MlxTensor::Role::head    ? recipe_.head
                                                                    : std::nullopt;
    if (by_role)
      return {
          .scheme = *by_role, .keep = false, .asked = true, .pinned = false, .entry = scheme_table(*by_role)};
    if (mixed_) {
      QuantScheme scheme = recipe_.base;
      scheme.bits = mixed_->more_bits(path) ? recipe_.high_bits : recipe_.low_bits;
      Table entry = scheme_table(scheme);
      if (!recipe_.group_asked) entry.set("group_size", Value());  // as mlx-lm writes it
      return {.scheme = scheme, .keep = false, .asked = true, .pinned = false, .entry = std::move(entry)};
    }
    if (tensor.eight_bits) {
      Table entry = scheme_table(kEightBits);
      entry.erase("mode");  // as mlx-lm writes it
      return {.scheme = kEightBits, .keep = false, .asked = false, .pinned = true, .entry = std::move(entry)};
    }
    return {.scheme = recipe_.base, .keep = false, .asked = recipe_.asked, .pinned = false, .entry = {}};
  }

  Decision numbers(const MlxTensor& tensor) const {
    Decision out;
    const bool dense = tensor.format.encoding == Encoding::dense;
    const DType own = dense || tensor.format.encoding == Encoding::affine ? tensor.format.dtype
                      : tensor.format.encoding == Encoding::kquant        ? DType::f16
                                                                          : DType::bf16;
    out.dtype = target_ && !(dense && tensor.keep_dtype) ? *target_ : own;
    return out;
  }

  Decision words(const MlxTensor& tensor) const {
    Decision out;
    out.kind = Decision::Kind::words;
    out.format = ops::mlx_format(tensor.format);
    // Scales and biases stay as they are, whatever the config calls the model's dtype, unless --dtype says
    // so.
    if (recipe_.dtype && out.format.encoding == Encoding::affine) out.format.dtype = *recipe_.dtype;
    return out;
  }

  Decision decide(const MlxTensor& tensor) {
    if (tensor.as_stored)
      return {.kind = Decision::Kind::bytes,
              .dtype = tensor.format.dtype,
              .format = {},
              .loses = false,
              .entry = {}};
    if (!tensor.module || recipe_.dequantize || stored_) return numbers(tensor);
    const std::string path = module_path(tensor.name);
    const Wish wished = wish(tensor, path);
    const std::optional<QuantScheme> held = held_words(tensor.format);
    if (tensor.format.encoding == Encoding::kquant && !held && !recipe_.requantize)
      return nearest_words(tensor, wished, path);
    if (held && stays(*held, wished, path)) {
      Decision out = words(tensor);
      if (mlx_table_)
        if (const Value* said = mlx_table_->find(path)) out.entry = *said;
      return out;
    }
    const int64_t cols = tensor.shape.back();
    if (wished.keep || cols % recipe_.base.group_size != 0 || cols % wished.scheme.group_size != 0)
      return numbers(tensor);
    const DType dtype = numbers(tensor).dtype;
    Decision out{.kind = Decision::Kind::quantise,
                 .dtype = dtype,
                 .format = convert::format_of(wished.scheme, dtype),
                 .loses = held.has_value() || tensor.format.encoding == Encoding::kquant,
                 .entry = wished.entry};
    return out;
  }

  /// Words whose codes MLX cannot take over, in those that lose least.
  Decision nearest_words(const MlxTensor& tensor, const Wish& wished, const std::string& path) {
    if (wished.asked && !wished.keep)
      conflicts_.push_back(fmt::format("{}: {}", path, format_text(tensor.format)));
    return {.kind = Decision::Kind::quantise,
            .dtype = DType::f16,
            .format = ops::mlx_format(tensor.format),
            .loses = true,
            .entry = {}};
  }

  /// Whether the source's words stay; asked for others without --requantize, they are noted as in the way.
  bool stays(const QuantScheme& held, const Wish& wished, const std::string& path) {
    if (wished.keep || wished.pinned || held == wished.scheme) return true;
    if (recipe_.requantize) return false;
    // The words that a model was published in (its own mxfp4) are no earlier quantisation: as in mlx-lm, an
    // option is about what is not in words yet.
    if (wished.asked && !published_in_words())
      conflicts_.push_back(fmt::format("{}: {}", path, scheme_text(held)));
    return true;
  }

  bool published_in_words() const {
    return checkpoint_.layout == checkpoint::Checkpoint::Layout::safetensors && !mlx_table_;
  }

  [[noreturn]] void refuse_conflicts() const {
    constexpr size_t kMost = 4;
    std::string found = fmt::format(
        "{}", fmt::join(conflicts_.begin(), conflicts_.begin() + std::min(conflicts_.size(), kMost), "; "));
    if (conflicts_.size() > kMost) found += fmt::format("; and {} more", conflicts_.size() - kMost);
    throw LoadError(
        {.what = fmt::format("the source is quantised already, otherwise than asked for, in {} modules",
                             conflicts_.size()),
         .where = where(),
         .expected = "floats, or no option that asks for other words",
         .found = std::move(found),
         .advice = "Without such options the words are kept without loss. --requantize makes new "
                   "ones of them and says what that costs; the model's float version loses less."});
  }

  /// Whether new words stand beside a table that the source's config had: MLX then writes every one of them
  /// down.
  bool fine_grained(const std::vector<Decision>& decisions) const {
    const bool kept = std::any_of(decisions.begin(), decisions.end(),
                                  [](const Decision& one) { return one.kind == Decision::Kind::words; });
    return kept && !recipe_.requantize && checkpoint_.quantization.fallback.has_value();
  }

  /// The scheme that most of the kept words have.
  std::optional<QuantScheme> commonest_words(const std::vector<Decision>& decisions) const {
    std::map<std::string, std::pair<int, QuantScheme>> counts;
    for (const Decision& one : decisions) {
      if (one.kind != Decision::Kind::words) continue;
      const QuantScheme scheme = *mlx_scheme(one.format);
      auto& entry = counts[scheme_text(scheme)];
      ++entry.first;
      entry.second = scheme;
    }
    const auto most = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
      return a.second.first < b.second.first;
    });
    return most == counts.end() ? std::nullopt : std::optional(most->second.second);
  }

  Value config_table(std::vector<Decision>& decisions) const {
    const bool fine = fine_grained(decisions);
    QuantScheme base = recipe_.base;
    if (const auto common = commonest_words(decisions); common && !recipe_.requantize)
      base = fine ? *checkpoint_.quantization.fallback : *common;
    Table table = fine && mlx_table_ ? plain_members(mlx_table_->table()) : scheme_table(base);
    for (size_t i = 0; i < decisions.size(); ++i) {
      Decision& one = decisions[i];
      if (one.kind != Decision::Kind::words && one.kind != Decision::Kind::quantise) continue;
      const QuantScheme scheme = *mlx_scheme(one.format);
      const bool always = fine && one.kind == Decision::Kind::quantise;
      if (one.entry.is_null() && (always || scheme != base)) one.entry = scheme_table(scheme);
    }
    for (const auto& [name, index] : by_name()) {
      const Value& entry = decisions[index].entry;
      if (!entry.is_null()) table.set(name, entry);
    }
    return Value(std::move(table));
  }

  /// What a table of the source says of all modules, as it says it.
  static Table plain_members(const Table& from) {
    Table out;
    for (const auto& [key, value] : from)
      if (!value.is_table() && !value.is_boolean()) out.set(key, value);
    return out;
  }

  /// Module paths in the order of their layers, each with its place in the form.
  std::vector<std::pair<std::string, size_t>> by_name() const {
    std::vector<std::pair<std::string, size_t>> names;
    for (size_t i = 0; i < form_.tensors.size(); ++i)
      if (form_.tensors[i].module) names.emplace_back(module_path(form_.tensors[i].name), i);
    std::sort(names.begin(), names.end(),
              [](const auto& a, const auto& b) { return layer_order(a.first) < layer_order(b.first); });
    return names;
  }

  /// The path with its numbers made as wide as each other.
  static std::string layer_order(const std::string& path) {
    std::string out, digits;
    for (const char c : path + ".") {
      if (c >= '0' && c <= '9') {
        digits += c;
        continue;
      }
      if (!digits.empty()) out += std::string(12 - std::min<size_t>(digits.size(), 12), '0') + digits;
      digits.clear();
      out += c;
    }
    return out;
  }

  const checkpoint::Checkpoint& checkpoint_;
  const family::MlxForm& form_;
  const Recipe& recipe_;
  std::optional<DType> target_;
  std::vector<std::string> modules_;
  std::unique_ptr<MixedLayers> mixed_;
  const Value* mlx_table_ = nullptr;
  bool stored_ = false;
  std::vector<std::string> conflicts_;
};

}  // namespace

std::string module_path(const std::string& tensor) {
  constexpr std::string_view kWeight = ".weight";
  return tensor.ends_with(kWeight) ? tensor.substr(0, tensor.size() - kWeight.size()) : tensor;
}

ops::WeightFormat format_of(const QuantScheme& scheme, DType dtype) {
  constexpr Encoding kEncodings[] = {Encoding::affine, Encoding::mxfp4, Encoding::nvfp4, Encoding::mxfp8,
                                     Encoding::fp8};
  const bool affine = scheme.mode == QuantMode::affine;
  return {.encoding = kEncodings[static_cast<size_t>(scheme.mode)],
          .dtype = affine ? dtype : DType::f32,
          .bits = scheme.bits,
          .group = scheme.group_size};
}

Decisions decide(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form,
                 const Recipe& recipe) {
  return Decider(checkpoint, form, recipe).run();
}

}  // namespace varve::convert
