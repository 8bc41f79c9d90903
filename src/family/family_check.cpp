// Everything a merged family says by name exists: placeholders, blocks, parameters, kinds, words.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "family/family.h"
#include "family/spec_builder.h"
#include "nn/registry.h"

namespace varve::family {

const std::vector<std::string>& model_settings() {
  static const std::vector<std::string> names{"hidden",        "vocab",         "layers",
                                              "max_positions", "embed_scale",   "tied",
                                              "logit_scale",   "logit_softcap", "learned_positions"};
  return names;
}

const std::vector<std::string>& layer_roles() {
  static const std::vector<std::string> names{"layer", "mixer", "beside", "ffn", "norm", "final_norm"};
  return names;
}

namespace {

nn::Role role_of(std::string_view name) {
  if (name == "layer") return nn::Role::layer;
  if (name == "mixer" || name == "beside") return nn::Role::mixer;
  if (name == "ffn") return nn::Role::ffn;
  return nn::Role::norm;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class Checker {
 public:
  explicit Checker(const Family& family) : family_(family), keys_(canonical_keys(family)) {}

  void run() {
    for (const auto& [name, setting] : family_.model) {
      if (!contains(model_settings(), name))
        fail_unknown(setting.place, "member of [model]", name, model_settings());
      uses(setting);
    }
    overlay(family_.base);
    for (const auto& [name, kind] : family_.kinds) overlay(kind.overlay);
    for (const auto& [name, axis] : family_.axes)
      for (const KindRule& rule : axis.rules) check_rule(rule);
    tensors(family_.hub_tensors);
    tensors(family_.gguf_tensors);
    spectators(family_.hub_spectators);
    spectators(family_.gguf_spectators);
    for (const auto& [name, value] : family_.gguf_hub) hub_value(value);
    for (const char* role : {"layer", "mixer", "ffn", "norm"})
      if (!says_role(role))
        fail_at(family_.place, fmt::format("[layer] does not say \"{}\", and no kind does", role));
    nothing_idle();
  }

 private:
  void use_key(const std::string& key, const Place& place) {
    if (!contains(keys_, key)) fail_unknown(place, "placeholder", "$" + key, dollared());
  }
  std::vector<std::string> dollared() const {
    std::vector<std::string> out;
    for (const std::string& key : keys_) out.push_back("$" + key);
    return out;
  }
  void uses(const Setting& setting) {
    if (!setting.formula) return;
    for (const std::string& key : setting.formula->keys()) use_key(key, setting.place);
  }

  bool says_role(const std::string& role) const {
    if (family_.base.roles.find(role)) return true;
    return std::any_of(family_.kinds.begin(), family_.kinds.end(),
                       [&](const auto& kind) { return kind.second.overlay.roles.find(role) != nullptr; });
  }

  void overlay(const Overlay& over) {
    for (const auto& [role, setting] : over.roles) {
      if (!contains(layer_roles(), role))
        fail_unknown(setting.place, "member of [layer]", role, layer_roles());
      uses(setting);
      if (!setting.formula) check_block_name(role, setting);
    }
    for (const auto& [block, settings] : over.blocks)
      for (const auto& [name, setting] : settings) check_parameter(block, name, setting);
    for (const Reading* reading : {&over.hub, &over.gguf}) {
      for (const auto& [key, source] : reading->config)
        for (const Alternative& a : source.alternatives) check_alternative(a, source.place);
      for (const auto& [key, fallback] : reading->defaults) {
        uses(fallback.otherwise);
        if (fallback.absent) uses(*fallback.absent);
      }
    }
  }

  void check_block_name(const std::string& role, const Setting& setting) const {
    std::vector<std::string> known;
    for (const nn::BlockInfo& info : nn::blocks())
      if (info.role == role_of(role)) known.push_back(info.name);
    if (!setting.constant.is_text() || !contains(known, setting.constant.text()))
      fail_unknown(
          setting.place, fmt::format("{} block", role),
          setting.constant.is_text() ? setting.constant.text() : std::string(setting.constant.kind_name()),
          known);
  }

  void check_parameter(const std::string& block, const std::string& name, const Setting& setting) {
    uses(setting);
    const auto& all = nn::blocks();
    const auto info =
        std::find_if(all.begin(), all.end(), [&](const nn::BlockInfo& b) { return b.name == block; });
    if (info == all.end()) {
      std::vector<std::string> known{"match", "config", "defaults", "ignore", "expect", "model",     "layer",
                                     "axis",  "kind",   "tensors",  "drop",   "gguf",   "transforms"};
      for (const nn::BlockInfo& b : all) known.push_back(b.name);
      fail_unknown(setting.place, "section or block", block, known);
    }
    const std::vector<nn::ParamInfo> params = flat_params(*info);
    std::vector<std::string> names;
    for (const nn::ParamInfo& param : params) {
      names.push_back(param.name);
      if (param.name == name) return check_constant(block, param, setting);
    }
    fail_unknown(setting.place, fmt::format("parameter of block \"{}\"", block), name, names);
  }

  void check_constant(const std::string& block, const nn::ParamInfo& param, const Setting& setting) const {
    if (setting.formula) return;
    const Value& value = setting.constant;
    const bool number = param.kind == Value::Kind::real && value.is_number();
    if (!number && value.kind() != param.kind)
      fail_at(setting.place, fmt::format("\"{}.{}\" must be another kind of value than {}: {}", block,
                                         param.name, value.kind_name(), param.about));
    if (value.is_text() && !param.choices.empty() && !contains(param.choices, value.text()))
      fail_unknown(setting.place, fmt::format("word for \"{}.{}\"", block, param.name), value.text(),
                   param.choices);
  }

  void check_alternative(const Alternative& a, const Place& place) {
    if (!a.when.empty()) use_key(a.when, place);
    if (!a.theta.empty()) use_key(a.theta, place);
    if (!a.reads_config()) return;
    if (a.name.empty()) fail_at(place, "a [config] path is empty");
    if (a.name[0] == '$') use_key(a.name.substr(1, a.name.find('.') - 1), place);
    for (size_t at = a.name.find('<'); at != std::string::npos; at = a.name.find('<', at + 1)) {
      const std::string mark = a.name.substr(at, a.name.find('>', at) - at + 1);
      if (mark != "<kind>" && mark != "<arch>")
        fail_unknown(place, "placeholder", mark, {"<kind>", "<arch>"});
    }
  }

  void hub_value(const HubValue& value) {
    uses(value.setting);
    for (const auto& [name, member] : value.members) hub_value(member);
  }

  void check_rule(const KindRule& rule) {
    uses(rule.value);
    uses(rule.offset);
    if (!rule.when.empty()) use_key(rule.when, rule.place);
    if (!rule.kind.empty() && !family_.kinds.find(rule.kind))
      fail_unknown(rule.place, "kind", rule.kind, family_.kinds.names());
  }

  void tensors(const TensorRules& rules) {
    for (const Drop& drop : rules.drops) {
      uses(drop.when);
      uses(drop.from);
    }
    for (const Transform& t : rules.transforms) {
      uses(t.groups);
      uses(t.amount);
      if (!t.when.empty()) use_key(t.when, t.place);
      for (const Setting& rows : t.rows) uses(rows);
    }
  }

  void spectators(const Spectators& some) {
    for (const auto& [path, expected] : some.expected)
      for (const Setting& value : expected.values) uses(value);
  }

  /// A canonical key of the file itself that nothing uses is a misspelt one.
  void nothing_idle() const {
    const std::vector<std::string> used = used_keys(family_);
    auto idle = [&](const std::string& key, const Place& place) {
      if (place.file != family_.place.file || contains(used, key)) return;
      fail_at(place, fmt::format("nothing uses the canonical key \"{}\"", key), suggest(key, used));
    };
    auto look = [&](const Overlay& over) {
      for (const Reading* reading : {&over.hub, &over.gguf}) {
        for (const auto& [key, source] : reading->config) idle(key, source.place);
        for (const auto& [key, fallback] : reading->defaults) idle(key, fallback.otherwise.place);
      }
    };
    look(family_.base);
    for (const auto& [name, kind] : family_.kinds) look(kind.overlay);
  }

  const Family& family_;
  std::vector<std::string> keys_;
};

}  // namespace

std::vector<std::string> canonical_keys(const Family& family) {
  std::vector<std::string> out{std::string(kLayerKey)};
  auto look = [&](const Reading& reading) {
    for (const auto& [key, source] : reading.config) out.push_back(key);
    for (const auto& [key, fallback] : reading.defaults) out.push_back(key);
  };
  auto both = [&](const Overlay& over) {
    look(over.hub);
    look(over.gguf);
  };
  both(family.base);
  for (const auto& [name, kind] : family.kinds) both(kind.overlay);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void check_family(const Family& family) { Checker(family).run(); }

}  // namespace varve::family
