#include "family/tensor_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/checked.h"
#include "family/pattern.h"
#include "family/tensor_data.h"

namespace varve::family {

using checkpoint::Checkpoint;
using checkpoint::Tensor;

std::vector<int64_t> StoredTensor::shape() const {
  std::vector<int64_t> out = values.shape;
  const bool words = scheme && scheme->mode != checkpoint::QuantMode::fp8;
  if (words && !out.empty()) out.back() = out.back() * 32 / scheme->bits;
  if (step && !out.empty()) out.front() *= 4;
  return out;
}

int64_t StoredTensor::bytes() const {
  return static_cast<int64_t>(values.bytes.size() + scales.bytes.size() + biases.bytes.size());
}

std::string MappedTensor::stored_names() const {
  return parts.size() == 1 ? first().name : fmt::format("{} and {} more", first().name, parts.size() - 1);
}

bool is_vector(std::string_view canonical, const std::vector<int64_t>& shape) {
  return shape.size() < 2 || canonical.ends_with(".bias");
}

namespace {

/// The name with another ending; nothing when it has not this one.
std::optional<std::string> with_ending(std::string_view name, std::string_view from, std::string_view to) {
  if (!name.ends_with(from)) return std::nullopt;
  return std::string(name.substr(0, name.size() - from.size())) + std::string(to);
}

/// "a.b.weight" and ".scales" -> "a.b.scales"; nothing when it is no weight.
std::optional<std::string> companion(std::string_view name, std::string_view ending) {
  return with_ending(name, ".weight", ending);
}

/// What the scales of an fp8 tensor are called: its name and this.
constexpr std::string_view kBlockScales = "_scale_inv";

class NameMapper {
 public:
  NameMapper(const Checkpoint& checkpoint, const TensorRules& rules, const ConfigView& view, Answers& model)
      : checkpoint_(checkpoint), rules_(rules), view_(view), model_(model) {}

  MappedNames run() {
    for (const auto& [name, tensor] : checkpoint_.tensors)
      if (!belongs_to_another(name)) place(stored(name, tensor));
    close_stacks();
    for (auto& [name, tensor] : out_.tensors) tensor.rows = RowPlan(rows_of(name, tensor));
    for (const Transform& transform : rules_.transforms)
      if (model_.holds(transform.when)) apply(transform);
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string what, std::string expected, std::string found,
                           std::string advice = {}) const {
    throw LoadError({.what = std::move(what),
                     .where = view_.where,
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = std::move(advice)});
  }

  std::optional<checkpoint::QuantScheme> scheme_of(const std::string& weight) const {
    const auto& all = checkpoint_.quantization.fallback;
    if (all && all->mode == checkpoint::QuantMode::fp8)
      return checkpoint_.find(weight + std::string(kBlockScales)) ? all : std::nullopt;
    const auto scales = companion(weight, ".scales");
    if (!scales || !checkpoint_.find(*scales)) return std::nullopt;
    return checkpoint_.quantization.scheme(*companion(weight, ""));
  }

  /// Scales and biases of a quantised weight travel with it.
  bool belongs_to_another(const std::string& name) const {
    auto of_quantised = [&](std::string_view ending, std::string_view weights) {
      const auto weight = with_ending(name, ending, weights);
      return weight && checkpoint_.find(*weight) && scheme_of(*weight);
    };
    if (of_quantised(kBlockScales, "")) return true;
    for (const std::string_view ending : {".scales", ".biases", ".global_scale"})
      if (of_quantised(ending, ".weight")) return true;
    if (const auto blocks = with_ending(name, "_scales", "_blocks"))
      return scales_of_blocks(*blocks) != nullptr;
    if (const auto weight = with_ending(name, ".weight_scale", ".weight")) return step_of(*weight) != nullptr;
    return false;
  }

  /// The scales of a tensor in Hugging Face's mxfp4 layout: X_blocks U8 [..., cols / 32, 16] or
  /// [..., cols / 2], X_scales U8 [..., cols / 32].
  const Tensor* scales_of_blocks(const std::string& name) const {
    const auto& scheme = checkpoint_.quantization.fallback;
    const auto scales = with_ending(name, "_blocks", "_scales");
    if (!scales || !scheme || scheme->mode != checkpoint::QuantMode::mxfp4) return nullptr;
    return checkpoint_.find(name) ? checkpoint_.find(*scales) : nullptr;
  }

  /// The weight_scale of a packed ternary matrix.
  const Tensor* step_of(const std::string& name) const {
    const auto step = with_ending(name, ".weight", ".weight_scale");
    if (!step || !checkpoint_.quantization.ternary) return nullptr;
    const Tensor* weight = checkpoint_.find(name);
    const bool packed = weight && weight->block == checkpoint::BlockType::none &&
                        weight->dtype == DType::u8 && weight->shape.size() == 2;
    return packed ? checkpoint_.find(*step) : nullptr;
  }

  std::shared_ptr<StoredTensor> stored(const std::string& name, const Tensor& tensor) const {
    auto out = std::make_shared<StoredTensor>();
    out->name = name;
    out->values = tensor;
    if (const Tensor* scales = scales_of_blocks(name)) {
      take_blocks(*scales, *out);
      return out;
    }
    if (const Tensor* step = step_of(name)) {
      take_step(*step, *out);
      return out;
    }
    out->scheme = scheme_of(name);
    if (!out->scheme) return out;
    if (out->scheme->mode == checkpoint::QuantMode::fp8) {
      out->scales = *checkpoint_.find(name + std::string(kBlockScales));
      return out;
    }
    out->scales = *checkpoint_.find(*companion(name, ".scales"));
    if (const Tensor* biases = checkpoint_.find(*companion(name, ".biases"))) out->biases = *biases;
    if (const Tensor* global = checkpoint_.find(*companion(name, ".global_scale")))
      read_factors(*global, *out);
    return out;
  }

  /// Blocks of 16 bytes are four of MLX's words, nibble for nibble. The tensor goes by its name without the
  /// ending, as where it is not quantised.
  void take_blocks(const Tensor& scales, StoredTensor& into) const {
    std::vector<int64_t>& shape = into.values.shape;
    if (shape.size() == scales.shape.size() + 1 && shape.back() == 16) {
      shape.pop_back();
      shape.back() = shape.empty() ? 0 : 16 * shape.back();
    }
    if (into.values.dtype != DType::u8 || shape.empty() || shape.back() % 16 != 0)
      refuse(fmt::format("\"{}\" are no mxfp4 blocks", into.name), "U8 in runs of 16",
             fmt::format("{} [{}]", dtype_name(into.values.dtype), fmt::join(shape, ", ")));
    into.values.dtype = DType::u32;
    shape.back() /= 4;
    into.scheme = checkpoint_.quantization.fallback;
    into.scales = scales;
  }

  void take_step(const Tensor& scale, StoredTensor& into) const {
    const std::vector<float> numbers = dense_numbers(scale, into.name + "_scale");
    const float number = numbers.size() == 1 ? numbers[0] : 0.0f;
    if (!std::isfinite(number) || number == 0.0f)
      refuse(
          fmt::format("\"{}_scale\" is no scale of a matrix", into.name), "one number other than 0",
          fmt::format("{}", fmt::join(std::span(numbers).first(std::min<size_t>(numbers.size(), 4)), ", ")));
    const bool divides = checkpoint_.quantization.ternary->divides;
    into.step = divides ? 1.0f / number : number;
    if (!std::isfinite(*into.step))
      refuse(fmt::format("\"{}_scale\" is too small to divide by", into.name), "a larger number",
             fmt::format("{}", number));
    into.step_type = divides || !is_dense(scale) ? DType::f32 : scale.dtype;
  }

  /// Plain matrices that the config wants made ternary: those of linear layers.
  bool made_ternary(std::string_view canonical, const StoredTensor& tensor) const {
    const auto& ternary = checkpoint_.quantization.ternary;
    if (!ternary || !ternary->online || tensor.scheme || tensor.step || !is_dense(tensor.values))
      return false;
    const auto module = companion(tensor.name, "");
    return module && tensor.values.shape.size() == 2 && canonical != "model.embed_tokens.weight" &&
           !ternary->keeps(*module);
  }

  /// Of nvfp4, as MLX writes it: the largest e2m1 (6) times the largest e4m3 (448) is 2688.
  void read_factors(const Tensor& global, StoredTensor& into) const {
    into.factors = dense_numbers(global, into.name);
    for (float& factor : into.factors) factor /= 2688.0f;
    const size_t slices = into.values.shape.size() == 3 ? static_cast<size_t>(into.values.shape[0]) : 1;
    if (into.factors.size() == 1 || into.factors.size() == slices) return;
    refuse(fmt::format("\"{}\" has a global_scale of another size", into.name),
           fmt::format("1 or {}", slices), fmt::format("{}", into.factors.size()));
  }

  bool is_dropped(const std::string& name) const {
    return std::any_of(rules_.drops.begin(), rules_.drops.end(), [&](const Drop& drop) {
      const auto match = match_pattern(drop.pattern, name);
      if (!match) return false;
      const Value from = model_.evaluate(drop.from).value;
      if (from.is_number() && static_cast<double>(match->number) < from.number()) return false;
      const Value when = model_.evaluate(drop.when).value;
      return when.is_boolean() && when.boolean();
    });
  }

  void place(const std::shared_ptr<StoredTensor>& tensor) {
    std::string name = tensor->name;
    if (scales_of_blocks(name)) name = *with_ending(name, "_blocks", "");
    bool dropped = is_dropped(name);
    int64_t expert = -1;
    for (const Rename& rename : rules_.renames) {
      if (dropped) break;
      const auto match = match_pattern(rename.from, name);
      if (!match || rename.to.empty()) continue;
      name = substitute(rename.to, *match);
      if (match->number >= 0) expert = match->number;
    }
    if (dropped || is_dropped(name)) {
      out_.dropped.push_back(tensor->name);
      return;
    }
    tensor->ternarise = made_ternary(name, *tensor);
    if (expert >= 0) {
      auto& experts = stacks_[name];
      if (!experts.emplace(expert, tensor).second) twice(name, experts[expert]->name, tensor->name);
      return;
    }
    auto& mapped = out_.tensors[name];
    if (!mapped.parts.empty()) twice(name, mapped.first().name, tensor->name);
    mapped.parts.push_back(tensor);
  }

  [[noreturn]] void twice(const std::string& name, const std::string& first,
                          const std::string& second) const {
    refuse(fmt::format("two tensors are both \"{}\"", name), "one",
           fmt::format("\"{}\" and \"{}\"", first, second));
  }

  /// Experts 0 .. n-1 must all be there and alike.
  void close_stacks() {
    for (auto& [name, experts] : stacks_) {
      if (const auto single = out_.tensors.find(name); single != out_.tensors.end())
        twice(name, single->second.first().name, experts.begin()->second->name);
      MappedTensor& mapped = out_.tensors[name];
      mapped.stacked = true;
      for (const auto& [expert, tensor] : experts) {
        if (expert != static_cast<int64_t>(mapped.parts.size()))
          refuse(fmt::format("an expert of \"{}\" is missing", name),
                 fmt::format("expert {}", mapped.parts.size()),
                 fmt::format("the next one is \"{}\"", tensor->name), "A shard may be missing.");
        if (tensor->shape() != experts.begin()->second->shape() ||
            tensor->scheme != experts.begin()->second->scheme)
          refuse(fmt::format("the experts of \"{}\" differ in shape or quantisation", name),
                 experts.begin()->second->name, tensor->name);
        mapped.parts.push_back(tensor);
      }
    }
  }

  static int64_t rows_of(std::string_view name, const MappedTensor& tensor) {
    const std::vector<int64_t> shape = tensor.first().shape();
    if (shape.empty()) return 1;
    return is_vector(name, shape) ? shape.back() : shape[shape.size() - 2];
  }

  int64_t whole(const Setting& setting, const Transform& t, const std::string& name) {
    const Answers::Answer found = model_.evaluate(setting);
    if (!found.value.is_integer() || found.value.integer() < 1)
      refuse(fmt::format("the transform of \"{}\" ({}) needs a whole number", name, t.place.text()),
             "at least 1",
             found.value.is_number() ? fmt::format("{}", found.value.number())
                                     : std::string(found.value.kind_name()));
    return found.value.integer();
  }

  void apply(const Transform& t) {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : out_.tensors)
      if (match_pattern(t.pattern, name)) names.push_back(name);
    for (const std::string& name : names) apply(t, name);
  }

  /// Rows are picked before a matrix is cut out and turned.
  void refuse_after_rows(const Transform& t, const MappedTensor& tensor) const {
    if (tensor.cuts > 0 || tensor.turned)
      refuse(
          fmt::format("the transform of \"{}\" ({}) comes too late", tensor.stored_names(), t.place.text()),
          "split and unpair, then transpose", "rows of a stack, or of a matrix that was transposed");
  }

  void apply(const Transform& t, const std::string& name) {
    MappedTensor& tensor = out_.tensors.find(name)->second;
    switch (t.form) {
      case Transform::Form::add: {
        const Value amount = model_.evaluate(t.amount).value;
        if (amount.is_number()) tensor.add += amount.number();
        return;
      }
      case Transform::Form::transpose: {
        const std::vector<int64_t> shape = tensor.first().shape();
        if (is_vector(name, shape)) return;
        const int64_t rows = tensor.transposed ? shape.back() : shape[shape.size() - 2];
        if (tensor.cuts > 0 || !tensor.rows.is_run() || tensor.rows.count() != rows) {
          tensor.turned = !tensor.turned;
          return;
        }
        tensor.transposed = !tensor.transposed;
        tensor.rows = RowPlan(tensor.transposed ? shape.back() : shape[shape.size() - 2]);
        return;
      }
      case Transform::Form::unpair: {
        refuse_after_rows(t, tensor);
        const int64_t heads = whole(t.amount, t, name);
        if (tensor.rows.count() % (2 * heads) != 0)
          refuse(fmt::format("the rows of \"{}\" are no pairs of {} heads", tensor.stored_names(), heads),
                 fmt::format("a multiple of {}", 2 * heads), fmt::format("{} rows", tensor.rows.count()));
        tensor.rows = tensor.rows.unpaired(heads);
        return;
      }
      case Transform::Form::split:
        split(t, name);
    }
  }

  void split(const Transform& t, const std::string& name) {
    const MappedTensor whole_tensor = out_.tensors.find(name)->second;
    refuse_after_rows(t, whole_tensor);
    if (t.stack && (whole_tensor.stacked || whole_tensor.first().shape().size() > 2))
      refuse(fmt::format("\"{}\" ({}) is a stack already", whole_tensor.stored_names(), t.place.text()),
             "one matrix", fmt::format("{} dimensions", whole_tensor.first().shape().size()));
    const auto match = match_pattern(t.pattern, name);
    const int64_t groups = t.groups.place.line > 0 ? whole(t.groups, t, name) : 1;
    const int64_t total = whole_tensor.rows.count();
    std::vector<int64_t> rows;
    for (const Setting& setting : t.rows) rows.push_back(whole(setting, t, name));
    const auto parts = static_cast<int64_t>(t.parts.size());
    if (rows.empty()) rows.assign(t.parts.size(), total / groups / parts);
    int64_t needed = 0;
    for (const int64_t r : rows) needed += std::min(r, total + 1);
    if (needed * groups != total)
      refuse(
          fmt::format("\"{}\" does not split into {}", whole_tensor.stored_names(), fmt::join(t.parts, ", ")),
          fmt::format("{} x ({}) rows, by the config", groups, fmt::join(rows, " + ")),
          fmt::format("{} rows", total), "The config and the tensors are of different models.");
    int64_t offset = 0;
    out_.tensors.erase(name);
    for (size_t i = 0; i < rows.size(); ++i) {
      MappedTensor part = whole_tensor;
      part.rows = whole_tensor.rows.part(groups, total / groups, offset, rows[i]);
      if (t.stack) part.cuts = groups;
      offset += rows[i];
      const std::string part_name = substitute(t.parts[i], *match);
      if (const auto taken = out_.tensors.find(part_name); taken != out_.tensors.end())
        twice(part_name, taken->second.first().name, part.first().name);
      out_.tensors.emplace(part_name, std::move(part));
    }
  }

  const Checkpoint& checkpoint_;
  const TensorRules& rules_;
  const ConfigView& view_;
  Answers& model_;
  MappedNames out_;
  std::map<std::string, std::map<int64_t, std::shared_ptr<const StoredTensor>>> stacks_;
};

}  // namespace

MappedNames map_names(const Checkpoint& checkpoint, const Family& family, const ConfigView& view,
                      Answers& model) {
  return NameMapper(checkpoint, view.tensors(family), view, model).run();
}

}  // namespace varve::family
