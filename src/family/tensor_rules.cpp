#include "family/tensor_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/checked.h"
#include "family/pattern.h"
#include "family/tensor_data.h"

namespace varve::family {

using checkpoint::Checkpoint;

std::string MappedTensor::stored_names() const {
  return parts.size() == 1 ? first().name : fmt::format("{} and {} more", first().name, parts.size() - 1);
}

bool MappedTensor::is_scaled() const {
  return std::any_of(factors.begin(), factors.end(), [](float x) { return x != 1.0f; });
}

bool is_vector(std::string_view canonical, const std::vector<int64_t>& shape) {
  return shape.size() < 2 || canonical.ends_with(".bias");
}

bool matches_any(const std::vector<Pattern>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const Pattern& pattern) { return match_pattern(pattern.text, name).has_value(); });
}

namespace {

/// place(), then the other rules in the order in which they are to hold, then take().
class NameMapper {
 public:
  NameMapper(const Checkpoint& checkpoint, const ConfigView& view, Answers& model,
             StoredTensors::Ternary ternary)
      : checkpoint_(checkpoint), view_(view), model_(model), stored_(checkpoint, view.where, ternary) {}

  /// Those of `ready` whose names match: they are as they should be but for their name. What they are made
  /// of is placed no more.
  void keep(const MappedNames& ready, const std::vector<Pattern>& patterns) {
    for (const auto& [name, tensor] : ready.tensors) {
      if (!matches_any(patterns, name)) continue;
      kept_.emplace(name, tensor);
      for (const auto& part : tensor.parts) taken_.insert(part->name);
    }
    for (const auto& [name, tensor] : ready.tensors)
      if (kept_.count(name) == 0 && taken_.count(tensor.first().name) > 0)
        refuse(fmt::format("[mlx] takes a part of \"{}\" alone", tensor.first().name),
               fmt::format("\"{}\" under \"canonical\" as well", name), "another part of it");
  }

  /// Every other stored tensor, under the name that `rules` make of it or under its own. What their [drop]
  /// names is left out in both cases.
  void place(const TensorRules& rules, bool renamed) {
    for (const auto& [name, tensor] : checkpoint_.tensors)
      if (taken_.count(name) == 0 && !stored_.belongs_to_another(name))
        place(stored_.read(name, tensor), rules, renamed);
    close_stacks();
    for (auto& [name, tensor] : out_.tensors) tensor.rows = RowPlan(rows_of(name, tensor));
  }

  /// Further names for what is placed and kept.
  void rename(const std::vector<Rename>& renames) {
    for (auto* tensors : {&out_.tensors, &kept_}) {
      Tensors before;
      before.swap(*tensors);
      for (auto& [name, tensor] : before) insert(*tensors, name_by(renames, name).name, std::move(tensor));
    }
  }

  void transform(const std::vector<Transform>& transforms) {
    for (const Transform& one : transforms)
      if (model_.holds(one.when)) apply(one);
  }

  MappedNames take() {
    for (auto& [name, tensor] : kept_) insert(out_.tensors, name, std::move(tensor));
    return std::move(out_);
  }

 private:
  using Tensors = std::map<std::string, MappedTensor, std::less<>>;
  struct Named {
    std::string name{};
    int64_t expert = -1;
  };

  [[noreturn]] void refuse(std::string what, std::string expected, std::string found,
                           std::string advice = {}) const {
    throw LoadError({.what = std::move(what),
                     .where = view_.where,
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = std::move(advice)});
  }

  bool is_dropped(const std::vector<Drop>& drops, const std::string& name) const {
    return std::any_of(drops.begin(), drops.end(), [&](const Drop& drop) {
      const auto match = match_pattern(drop.pattern, name);
      if (!match) return false;
      const Value from = model_.evaluate(drop.from).value;
      if (from.is_number() && static_cast<double>(match->number) < from.number()) return false;
      const Value when = model_.evaluate(drop.when).value;
      return when.is_boolean() && when.boolean();
    });
  }

  Named name_by(const std::vector<Rename>& renames, std::string name) const {
    Named out{.name = std::move(name)};
    for (const Rename& rename : renames) {
      const auto match = match_pattern(rename.from, out.name);
      if (!match || rename.to.empty() || !model_.holds(rename.when)) continue;
      out.name = substitute(rename.to, *match);
      if (match->number >= 0) out.expert = match->number;
    }
    return out;
  }

  void place(const std::shared_ptr<StoredTensor>& tensor, const TensorRules& rules, bool renamed) {
    const std::string stored = stored_.name_of(tensor->name);
    const bool dropped = is_dropped(rules.drops, stored);
    const Named meant = dropped ? Named{} : name_by(rules.renames, stored);
    if (dropped || is_dropped(rules.drops, meant.name)) {
      out_.dropped.push_back(tensor->name);
      return;
    }
    tensor->ternarise = stored_.made_ternary(meant.name, *tensor);
    const auto [name, expert] = renamed ? meant : Named{stored};
    if (expert >= 0) {
      auto& experts = stacks_[name];
      if (!experts.emplace(expert, tensor).second) twice(name, experts[expert]->name, tensor->name);
      return;
    }
    MappedTensor mapped;
    mapped.parts.push_back(tensor);
    insert(out_.tensors, name, std::move(mapped));
  }

  void insert(Tensors& into, const std::string& name, MappedTensor tensor) const {
    const auto [at, fresh] = into.try_emplace(name, std::move(tensor));
    if (!fresh) twice(name, at->second.first().name, tensor.first().name);
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
      case Transform::Form::channels_last: {
        tensor.kernel = true;
        const std::vector<int64_t> shape = tensor.first().shape();
        if (shape.size() != 3 || shape[1] != 1 || shape[2] == 1) return;
        tensor.transposed = true;
        tensor.rows = RowPlan(shape[2]);
        return;
      }
      case Transform::Form::scale:
        tensor.factors = factors_of(t, tensor);
        return;
      case Transform::Form::split:
        split(t, name);
    }
  }

  /// Of the stored rows, or one for all; rounded to the numbers' own type, as their product will be.
  std::vector<float> factors_of(const Transform& t, const MappedTensor& tensor) {
    const DType dtype = tensor.first().values.dtype;
    auto rounded = [&](const Value& value) {
      return value.is_number() ? round_to(dtype, static_cast<float>(value.number())) : 1.0f;
    };
    const float all = rounded(model_.evaluate(t.amount).value);
    if (t.rows.empty()) return {all};
    const Value by_rows = model_.evaluate(t.by_rows).value;
    std::vector<float> out;
    for (size_t i = 0; i < t.rows.size(); ++i) {
      const bool said = by_rows.is_array() && i < by_rows.array().size();
      const float factor = said ? round_to(dtype, all * rounded(by_rows.array()[i])) : all;
      const int64_t rows = whole(t.rows[i], t, tensor.first().name);
      out.insert(out.end(), static_cast<size_t>(std::min(rows, tensor.rows.count() + 1)), factor);
    }
    if (static_cast<int64_t>(out.size()) != tensor.rows.count())
      refuse(fmt::format("the factors of \"{}\" ({}) are not for its rows", tensor.stored_names(),
                         t.place.text()),
             fmt::format("{} rows", tensor.rows.count()), fmt::format("{}", out.size()));
    return out;
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
      insert(out_.tensors, substitute(t.parts[i], *match), std::move(part));
    }
  }

  const Checkpoint& checkpoint_;
  const ConfigView& view_;
  Answers& model_;
  StoredTensors stored_;
  MappedNames out_;
  Tensors kept_;
  std::set<std::string, std::less<>> taken_;
  std::map<std::string, std::map<int64_t, std::shared_ptr<const StoredTensor>>> stacks_;
};

}  // namespace

MappedNames map_names(const Checkpoint& checkpoint, const Family& family, const ConfigView& view,
                      Answers& model) {
  const TensorRules& rules = view.tensors(family);
  NameMapper mapper(checkpoint, view, model, StoredTensors::Ternary::joined);
  mapper.place(rules, true);
  mapper.transform(rules.transforms);
  return mapper.take();
}

MlxNames map_mlx_names(const Checkpoint& checkpoint, const Family& family, const ConfigView& view,
                       Answers& model) {
  const TensorRules& rules = view.tensors(family);
  const MlxRules& mlx = family.mlx;
  MlxNames out{.canonical = map_names(checkpoint, family, view, model), .mlx = {}};
  NameMapper mapper(checkpoint, view, model, StoredTensors::Ternary::as_stored);
  mapper.keep(out.canonical, mlx.canonical);
  mapper.place(rules, view.gguf);
  if (view.gguf) {
    // MLX has matrices fused where the family has; how GGUF keeps the rows of one is GGUF's own.
    std::vector<Transform> restoring;
    for (const Transform& one : rules.transforms)
      if (one.form != Transform::Form::split) restoring.push_back(one);
    mapper.transform(restoring);
    mapper.rename(mlx.gguf.renames);
  }
  mapper.rename(mlx.hub.renames);
  mapper.transform(view.gguf ? mlx.gguf.transforms : mlx.hub.transforms);
  out.mlx = mapper.take();
  return out;
}

}  // namespace varve::family
