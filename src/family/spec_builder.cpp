#include "family/spec_builder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "family/kinds.h"
#include "nn/rope.h"

namespace varve::family {

namespace {

constexpr int64_t kMostLayers = 10'000;
constexpr int64_t kMostOfAnything = 999'999'999'999;  // hidden, vocabulary, positions

std::string shown(const Value& value) {
  std::string text = json::dump(value);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

class SpecBuilder {
 public:
  SpecBuilder(const Family& family, const ConfigView& view, SpecReport& report)
      : family_(family), view_(view), report_(report), model_(family, view) {}

  nn::ModelSpec build() {
    nn::ModelSpec spec;
    spec.family = family_.name;
    spec.hidden = whole("hidden", 1);
    spec.vocab = whole("vocab", 1);
    spec.max_positions = whole_or_none("max_positions", 1);
    spec.embed_scale = real("embed_scale", 1.0f);
    spec.learned_positions = whole_or_none("learned_positions", 0);
    spec.logit_scale = real("logit_scale", 1.0f);
    spec.logit_softcap = real("logit_softcap", 0.0f);
    const Answers::Answer tied = model_setting("tied");
    if (!tied.value.is_null() && !tied.value.is_boolean()) wrong_kind("tied", tied, "true or false");
    spec.tied = tied.value.is_boolean() && tied.value.boolean();
    const int64_t layers = whole("layers", 1);
    if (layers > kMostLayers)
      refuse("a model of so many layers", fmt::format("at most {} layers", kMostLayers),
             fmt::format("{}", layers));

    Layer whole_model{.kinds = {}, .answers = &model_, .label = {}, .prefix = "final_norm.", .tell = true};
    spec.final_norm =
        block(whole_model, nn::Role::norm, family_.base.roles.find("final_norm") ? "final_norm" : "norm");
    const auto kinds = kinds_of_layers(family_, view_, model_, layers);
    for (int64_t i = 0; i < layers; ++i) spec.layers.push_back(layer(kinds[static_cast<size_t>(i)], i));
    join_origins();
    return spec;
  }

 private:
  /// What one layer is built from.
  struct Layer {
    std::vector<const Kind*> kinds;
    Answers* answers;
    std::string label;
    std::string prefix;  // of the names it reports
    bool tell;           // report its origins: the first layer of a kind
  };

  [[noreturn]] void refuse(std::string what, std::string expected, std::string found) const {
    throw LoadError({.what = std::move(what),
                     .where = view_.where,
                     .expected = std::move(expected),
                     .found = std::move(found),
                     .advice = {}});
  }
  [[noreturn]] void wrong_kind(const std::string& name, const Answers::Answer& found,
                               const std::string& expected) const {
    refuse(fmt::format("\"{}\" cannot be what the config says", name), expected,
           fmt::format("{} ({}), from {}", shown(found.value), found.value.kind_name(), found.origin));
  }

  void tell(const Layer& layer, const std::string& name, const Answers::Answer& found) {
    if (!layer.tell) return;
    report_.origins.push_back({layer.label, layer.prefix + name, found.value, found.origin, found.inferred});
  }

  /// What all kinds of layers have alike is said once, for all.
  void join_origins() {
    std::vector<Origin> joined;
    for (Origin& origin : report_.origins) {
      auto alike = [&](const Origin& o) {
        return o.name == origin.name && o.value == origin.value && o.from == origin.from;
      };
      const auto count =
          static_cast<size_t>(std::count_if(report_.origins.begin(), report_.origins.end(), alike));
      if (count == told_.size()) origin.kind.clear();
      if (std::none_of(joined.begin(), joined.end(),
                       [&](const Origin& o) { return o.kind == origin.kind && alike(o); }))
        joined.push_back(origin);
    }
    report_.origins = std::move(joined);
  }

  Answers::Answer model_setting(const std::string& name) {
    const Setting* setting = family_.model.find(name);
    if (!setting) return {};
    Answers::Answer found = model_.evaluate(*setting);
    if (!found.value.is_null())
      report_.origins.push_back({"", name, found.value, found.origin, found.inferred});
    return found;
  }

  int64_t whole(const std::string& name, int64_t least) {
    const Answers::Answer found = model_setting(name);
    if (found.value.is_null()) lacking(name, family_.model.find(name));
    return whole_of(name, found, least);
  }

  /// 0 when nothing says it.
  int64_t whole_or_none(const std::string& name, int64_t least) {
    const Answers::Answer found = model_setting(name);
    return found.value.is_null() ? 0 : whole_of(name, found, least);
  }

  int64_t whole_of(const std::string& name, const Answers::Answer& found, int64_t least) const {
    const bool fits = found.value.is_number() && found.value.number() == std::floor(found.value.number()) &&
                      found.value.number() >= static_cast<double>(least) &&
                      found.value.number() <= static_cast<double>(kMostOfAnything);
    if (!fits) wrong_kind(name, found, fmt::format("a whole number from {} to {}", least, kMostOfAnything));
    return static_cast<int64_t>(found.value.number());
  }

  float real(const std::string& name, float fallback) {
    const Answers::Answer found = model_setting(name);
    if (found.value.is_null()) return fallback;
    if (!found.value.is_number()) wrong_kind(name, found, "a number");
    return static_cast<float>(found.value.number());
  }

  /// Nothing says a value that must be there: names what was looked for.
  [[noreturn]] void lacking(const std::string& name, const Setting* setting) const {
    std::vector<std::string> paths;
    if (setting && setting->formula)
      for (const std::string& key : setting->formula->keys())
        if (const Source* source = view_.reading(family_.base).config.find(key))
          for (const Alternative& a : source->alternatives)
            paths.push_back('"' + with_arch(a.name, view_) + '"');
    throw LoadError(
        {.what = fmt::format("the config does not say \"{}\", which family \"{}\" needs", name, family_.name),
         .where = view_.where,
         .expected = paths.empty() ? "" : fmt::format("the key {}", fmt::join(paths, " or ")),
         .found = {},
         .advice = {}});
  }

  const Setting* role(const Layer& layer, const std::string& name) const {
    for (auto kind = layer.kinds.rbegin(); kind != layer.kinds.rend(); ++kind)
      if (const Setting* found = (*kind)->overlay.roles.find(name)) return found;
    return family_.base.roles.find(name);
  }

  const Setting* parameter(const Layer& layer, const std::string& block, const std::string& name) const {
    auto in = [&](const Overlay& overlay) -> const Setting* {
      const auto* settings = overlay.blocks.find(block);
      return settings ? settings->find(name) : nullptr;
    };
    for (auto kind = layer.kinds.rbegin(); kind != layer.kinds.rend(); ++kind)
      if (const Setting* found = in((*kind)->overlay)) return found;
    return in(family_.base);
  }

  nn::LayerSpec layer(const std::vector<std::string>& names, int64_t index) {
    std::vector<const Kind*> kinds;
    for (const std::string& name : names) kinds.push_back(family_.kinds.find(name));
    Answers answers(family_, view_, kinds, index);
    Layer at{.kinds = kinds, .answers = &answers, .label = join_kinds(names), .prefix = {}, .tell = false};
    at.tell = std::find(told_.begin(), told_.end(), at.label) == told_.end();
    if (at.tell) told_.push_back(at.label);
    return {.layer = block(at, nn::Role::layer, "layer"),
            .mixer = block(at, nn::Role::mixer, "mixer"),
            .beside = role(at, "beside") ? block(at, nn::Role::mixer, "beside") : nn::BlockSpec{},
            .ffn = block(at, nn::Role::ffn, "ffn"),
            .norm = block(at, nn::Role::norm, "norm"),
            .kind = at.label};
  }

  nn::BlockSpec block(const Layer& at, nn::Role role_wanted, const std::string& role_name) {
    const Setting* setting = role(at, role_name);
    if (!setting) fail_at(family_.place, fmt::format("[layer] does not say \"{}\"", role_name));
    const Answers::Answer name = at.answers->evaluate(*setting);
    if (!name.value.is_text()) wrong_kind(role_name, name, "the name of a block");
    const nn::BlockInfo* info = nn::find_block(role_wanted, name.value.text());
    if (!info)
      fail_at(setting->place, fmt::format("there is no {} block \"{}\"", role_name, name.value.text()));
    tell(at, role_name, name);
    nn::BlockSpec out{.block = info->name, .params = {}};
    for (const nn::ParamInfo& param : info->params) {
      const std::vector<nn::ParamInfo> members = table_params(param);
      if (members.empty()) {
        fill(at, info->name, param, param.name, out.params);
        continue;
      }
      Table inner;
      for (const nn::ParamInfo& member : members)
        fill(at, info->name, member, param.name + "." + member.name, inner);
      if (!inner.empty()) out.params.set(param.name, std::move(inner));
    }
    return out;
  }

  void fill(const Layer& at, const std::string& block, const nn::ParamInfo& param, const std::string& name,
            Table& into) {
    const std::string full = block + "." + name;
    const Setting* setting = parameter(at, block, name);
    Answers::Answer found = setting ? at.answers->evaluate(*setting) : Answers::Answer{};
    if (found.value.is_null()) {
      if (param.required) lacking(full, setting);
      if (!param.fallback.is_null()) tell(at, full, {param.fallback, "block's default", {}, false});
      return;
    }
    found.value = fitted(param, full, found);
    into.set(param.name, found.value);
    tell(at, full, found);
  }

  /// The value as the parameter's kind, or a LoadError.
  Value fitted(const nn::ParamInfo& param, const std::string& full, const Answers::Answer& found) const {
    const Value& value = found.value;
    switch (param.kind) {
      case Value::Kind::integer:
        if (value.is_number() && value.number() == std::floor(value.number()) && value.number() >= 0 &&
            value.number() < 1e12)
          return static_cast<int64_t>(value.number());
        wrong_kind(full, found, "a whole number, not below 0");
      case Value::Kind::real:
        if (value.is_number() && std::isfinite(value.number())) return value.number();
        wrong_kind(full, found, "a number");
      case Value::Kind::boolean:
        if (value.is_boolean()) return value;
        wrong_kind(full, found, "true or false");
      case Value::Kind::text:
        if (!value.is_text()) wrong_kind(full, found, "a text");
        if (!param.choices.empty() &&
            std::find(param.choices.begin(), param.choices.end(), value.text()) == param.choices.end())
          wrong_kind(full, found, fmt::format("one of {}", fmt::join(param.choices, ", ")));
        return value;
      case Value::Kind::array:
        if (!value.is_array()) wrong_kind(full, found, "a list");
        return value;
      default:
        return value;
    }
  }

  const Family& family_;
  const ConfigView& view_;
  SpecReport& report_;
  Answers model_;
  std::vector<std::string> told_;
};

}  // namespace

std::vector<nn::ParamInfo> table_params(const nn::ParamInfo& param) {
  if (param.kind == Value::Kind::table && param.name == "rope") return nn::rope_params();
  return {};
}

std::vector<nn::ParamInfo> flat_params(const nn::BlockInfo& block) {
  std::vector<nn::ParamInfo> out;
  for (const nn::ParamInfo& param : block.params) {
    const std::vector<nn::ParamInfo> members = table_params(param);
    if (members.empty()) out.push_back(param);
    for (nn::ParamInfo member : members) {
      member.name = param.name + "." + member.name;
      out.push_back(std::move(member));
    }
  }
  return out;
}

nn::ModelSpec build_spec(const Family& family, const ConfigView& view, SpecReport& report) {
  return SpecBuilder(family, view, report).build();
}

}  // namespace varve::family
