#include "convert/decide.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>

#include "convert/config_table.h"
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
  Value entry = {};            // of the config, where MLX writes one whatever the default is
  std::string option = {};     // --embed-bits or --head-bits, where that is what decides
  const Rule* rule = nullptr;  // likewise
};

class Decider {
 public:
  Decider(const checkpoint::Checkpoint& checkpoint, const family::MlxForm& form, const Recipe& recipe)
      : checkpoint_(checkpoint),
        form_(form),
        recipe_(recipe),
        target_(target()),
        mlx_table_(mlx_table_of(checkpoint)) {
    for (const MlxTensor& tensor : form.tensors) {
      if (tensor.module) modules_.push_back(module_path(tensor.name));
      stored_ = stored_ || tensor.as_stored;
    }
    if (!recipe.mixed.empty()) mixed_ = std::make_unique<MixedLayers>(modules_, where());
    check_roles();
    check_rules();
  }

  Decisions run() {
    Decisions out;
    for (const MlxTensor& tensor : form_.tensors) out.tensors.push_back(decide(tensor));
    if (!conflicts_.empty()) refuse_conflicts();
    if (!recipe_.dequantize && !stored_) check_uses();
    if (!recipe_.dequantize && !stored_)
      out.quantization = config_table(checkpoint_, form_, recipe_, out.tensors);
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
                .entry = rule.keep ? Value() : Value(scheme_table(rule.scheme)),
                .rule = &rule};
    if (recipe_.embedding && tensor.role == MlxTensor::Role::embedding)
      return by_option("--embed-bits", *recipe_.embedding);
    if (recipe_.head && tensor.role == MlxTensor::Role::head) return by_option("--head-bits", *recipe_.head);
    if (mixed_) {
      QuantScheme scheme = recipe_.base;
      scheme.bits = mixed_->more_bits(path) ? recipe_.high_bits : recipe_.low_bits;
      Table entry = scheme_table(scheme);
      if (!recipe_.group_asked) entry.set("group_size", Value());  // as mlx-lm writes it
      return {.scheme = scheme, .asked = true, .entry = std::move(entry)};
    }
    if (tensor.eight_bits) {
      Table entry = scheme_table(kEightBits);
      entry.erase("mode");  // as mlx-lm writes it
      return {.scheme = kEightBits, .pinned = true, .entry = std::move(entry)};
    }
    return {.scheme = recipe_.base, .asked = recipe_.asked};
  }

  static Wish by_option(const char* option, const QuantScheme& scheme) {
    return {.scheme = scheme, .asked = true, .entry = scheme_table(scheme), .option = option};
  }

  /// Whether its rows are whole groups. As in mlx-lm they have to be whole groups of the default as well,
  /// unless it is named.
  bool has_groups(const MlxTensor& tensor, const Wish& wished) const {
    if (wished.keep) return true;
    const int64_t cols = tensor.shape.back();
    const bool named = wished.rule || !wished.option.empty();
    return cols % wished.scheme.group_size == 0 && (named || cols % recipe_.base.group_size == 0);
  }

  /// An option that can do nothing is refused; a rule is when that is so of every module that it decides.
  void note_use(const MlxTensor& tensor, const Wish& wished, bool done) {
    const auto not_whole = [&](const std::string& who, const std::string& where) {
      return LoadError({.what = fmt::format("{}: rows of {} numbers are no whole groups of {}", who,
                                            tensor.shape.back(), wished.scheme.group_size),
                        .where = fmt::format("{}: {}", where, tensor.name),
                        .expected = {},
                        .found = {},
                        .advice = "Choose a smaller group size, or leave it as it is."});
    };
    if (!done && !wished.option.empty()) throw not_whole(wished.option, where());
    if (!wished.rule) return;
    Use& use = uses_[wished.rule];
    use.done = use.done || done;
    if (!done && !use.refusal)
      use.refusal = not_whole(fmt::format("the rule \"{}\"", wished.rule->pattern),
                              fmt::format("{}:{}", recipe_.rule_file.string(), wished.rule->line));
  }

  void check_uses() const {
    for (const Rule& rule : recipe_.rules) {
      const auto use = uses_.find(&rule);
      if (use == uses_.end())
        throw LoadError({.what = fmt::format("the rule \"{}\" decides nothing: an earlier one fits all that "
                                             "it fits",
                                             rule.pattern),
                         .where = fmt::format("{}:{}", recipe_.rule_file.string(), rule.line),
                         .expected = {},
                         .found = {},
                         .advice = "The first rule that fits decides: put it before the wider one."});
      if (!use->second.done) throw *use->second.refusal;
    }
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
    const bool groups = has_groups(tensor, wished);
    note_use(tensor, wished, groups);
    const std::optional<QuantScheme> held = held_words(tensor.format);
    if (tensor.format.encoding == Encoding::kquant && !held && !recipe_.requantize)
      return nearest_words(tensor, wished, path);
    if (held && stays(*held, wished, path)) {
      Decision out = words(tensor);
      if (mlx_table_)
        if (const Value* said = mlx_table_->find(path)) out.entry = *said;
      return out;
    }
    if (wished.keep || !groups) {
      Decision out = numbers(tensor);
      out.no_groups = !wished.keep;
      return out;
    }
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
    ops::WeightFormat format = ops::mlx_format(tensor.format);
    format.dtype = recipe_.dtype.value_or(format.dtype);
    return {.kind = Decision::Kind::quantise,
            .dtype = format.dtype,
            .format = format,
            .loses = true,
            .entry = {}};
  }

  /// Whether the source's words stay; asked for others without --requantize, they are noted as in the way.
  bool stays(const QuantScheme& held, const Wish& wished, const std::string& path) {
    if (wished.keep || wished.pinned || held == wished.scheme) return true;
    if (recipe_.requantize) return false;
    // The words that a model was published in (its own mxfp4) are no earlier quantisation: as in mlx-lm, an
    // option is about what is not in words yet. A rule is about what it names.
    if (wished.rule || (wished.asked && !published_in_words()))
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
        {.what = fmt::format("the source is quantised already, otherwise than asked for, in {} {}",
                             conflicts_.size(), conflicts_.size() == 1 ? "module" : "modules"),
         .where = where(),
         .expected = "floats, or no option that asks for other words",
         .found = std::move(found),
         .advice = "Without such options the words are kept without loss. --requantize makes new "
                   "ones of them and says what that costs; the model's float version loses less."});
  }

  const checkpoint::Checkpoint& checkpoint_;
  const family::MlxForm& form_;
  const Recipe& recipe_;
  std::optional<DType> target_;
  const Value* mlx_table_;
  std::vector<std::string> modules_;
  std::unique_ptr<MixedLayers> mixed_;
  bool stored_ = false;
  std::vector<std::string> conflicts_;
  /// What became of a rule's modules.
  struct Use {
    bool done = false;
    std::optional<LoadError> refusal;
  };
  std::map<const Rule*, Use> uses_;
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
