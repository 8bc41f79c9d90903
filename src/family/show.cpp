#include "family/show.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/json.h"

namespace varve::family {

namespace {

Table block_table(const nn::BlockSpec& block) {
  Table out;
  out.set("block", block.block);
  out.set("params", block.params);
  return out;
}

bool is_bare_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string toml_key(const std::string& key) { return is_bare_key(key) ? key : json::dump(Value(key)); }

std::string toml_value(const Value& value) {
  std::vector<std::string> items;
  if (value.is_table()) {
    for (const auto& [key, item] : value.table())
      items.push_back(fmt::format("{} = {}", toml_key(key), toml_value(item)));
    return fmt::format("{{{}}}", fmt::join(items, ", "));
  }
  if (value.is_array()) {
    for (const Value& item : value.array()) items.push_back(toml_value(item));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  // JSON has no word for these.
  if (value.kind() == Value::Kind::real && !std::isfinite(value.number()))
    return std::isnan(value.number()) ? "nan" : value.number() > 0 ? "inf" : "-inf";
  return json::dump(value);
}

void collect_blocks(const Overlay& overlay, std::vector<std::string>& into) {
  for (const auto& [role, setting] : overlay.roles) {
    if (setting.formula || !setting.constant.is_text()) continue;
    if (std::find(into.begin(), into.end(), setting.constant.text()) == into.end())
      into.push_back(setting.constant.text());
  }
}

/// Every block that a layer of the family may have.
std::vector<std::string> blocks_of(const Family& family) {
  std::vector<std::string> out;
  collect_blocks(family.base, out);
  for (const auto& [name, kind] : family.kinds) collect_blocks(kind.overlay, out);
  return out;
}

/// Does a GGUF file of the family become a config.json?
bool has_hub(const Family& family) { return !family.match.gguf.empty(); }

/// Collects the lines of one family.
class Lines {
 public:
  explicit Lines(const Family& family)
      : used_(used_keys(family, has_hub(family))), blocks_(blocks_of(family)) {}
  std::vector<FamilyLine> take() { return std::move(lines_); }

  void add(const std::string& section, const std::string& key, const Value& value, const Place& place) {
    lines_.push_back({section, toml_key(key), toml_value(value), place.text()});
  }
  void settings(const std::string& section, const Ordered<Setting>& settings) {
    for (const auto& [key, setting] : settings)
      lines_.push_back({section, key, toml_value(setting.constant), setting.place.text()});
  }
  /// What a parent defines and this family does not use is left out.
  void reading(const std::string& prefix, const Reading& reading) {
    auto is_used = [&](const std::string& key) {
      return std::binary_search(used_.begin(), used_.end(), key);
    };
    for (const auto& [key, source] : reading.config)
      if (is_used(key)) add(prefix + "config", key, source.written, source.place);
    for (const auto& [key, fallback] : reading.defaults)
      if (is_used(key)) add(prefix + "defaults", key, fallback.written, fallback.otherwise.place);
  }
  void overlay(const std::string& prefix, const Overlay& overlay) {
    settings(prefix + "layer", overlay.roles);
    for (const auto& [block, parameters] : overlay.blocks)
      if (std::find(blocks_.begin(), blocks_.end(), block) != blocks_.end())
        settings(prefix + block, parameters);
  }
  void tensors(const std::string& prefix, const TensorRules& rules) {
    for (const Rename& r : rules.renames) add(prefix + "tensors", r.from, r.written, r.place);
    for (const Drop& d : rules.drops) add(prefix + "drop", d.pattern, d.written, d.when.place);
    for (const Transform& t : rules.transforms) add(prefix + "transforms", t.pattern, t.written, t.place);
  }
  /// A list that the files of an inheritance make up together.
  void patterns(const std::string& key, const std::vector<Pattern>& all) {
    Array list;
    std::string origins;
    for (const Pattern& one : all) {
      list.emplace_back(one.text);
      const std::string place = one.place.text();
      if (origins.find(place) == std::string::npos) origins += (origins.empty() ? "" : ", ") + place;
    }
    if (!list.empty()) lines_.push_back({"mlx", key, toml_value(Value(std::move(list))), origins});
  }
  void spectators(const std::string& prefix, const Spectators& some) {
    for (const auto& [path, expected] : some.expected)
      add(prefix + "expect", path, expected.written, expected.place);
    // The ignored keys of one list share a line; two lists of one name are told apart.
    std::vector<std::pair<const Ignored*, Array>> lists;
    for (const auto& [pattern, ignored] : some.ignored) {
      if (lists.empty() || lists.back().first->place.text() != ignored.place.text())
        lists.emplace_back(&ignored, Array{});
      lists.back().second.emplace_back(pattern);
    }
    std::vector<std::string> names;
    for (auto& [ignored, keys] : lists) {
      std::string name = ignored->why;
      while (std::find(names.begin(), names.end(), name) != names.end()) name += "_too";
      names.push_back(name);
      add(prefix + "ignore", name, Value(std::move(keys)), ignored->place);
    }
  }

 private:
  std::vector<std::string> used_, blocks_;
  std::vector<FamilyLine> lines_;
};

Value texts(const std::vector<std::string>& words) {
  Array out;
  for (const std::string& word : words) out.emplace_back(word);
  return out;
}

}  // namespace

Table spec_table(const nn::ModelSpec& spec) {
  Table out;
  out.set("hidden", spec.hidden);
  out.set("vocab", spec.vocab);
  out.set("max_positions", spec.max_positions);
  out.set("embed_scale", static_cast<double>(spec.embed_scale));
  out.set("learned_positions", spec.learned_positions);
  out.set("tied", spec.tied);
  out.set("logit_scale", static_cast<double>(spec.logit_scale));
  out.set("logit_softcap", static_cast<double>(spec.logit_softcap));
  out.set("final_norm", block_table(spec.final_norm));
  Array layers;
  for (const nn::LayerSpec& layer : spec.layers) {
    Table one;
    one.set("kind", layer.kind);
    one.set("layer", block_table(layer.layer));
    one.set("mixer", block_table(layer.mixer));
    if (!layer.beside.block.empty()) one.set("beside", block_table(layer.beside));
    one.set("ffn", block_table(layer.ffn));
    one.set("norm", block_table(layer.norm));
    layers.emplace_back(std::move(one));
  }
  out.set("layers", std::move(layers));
  return out;
}

std::vector<FamilyRow> family_rows(const FamilyLibrary& library) {
  std::vector<FamilyRow> rows;
  for (const std::string& name : library.names()) {
    const Family& family = *library.find(name);
    FamilyRow row{.name = name,
                  .about = family.about,
                  .file = library.file_of(name),
                  .example = family.example,
                  .model_types = family.match.model_types,
                  .architectures = family.match.architectures,
                  .gguf = family.match.gguf,
                  .blocks = blocks_of(family)};
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<FamilyLine> family_lines(const Family& family) {
  Lines lines(family);
  lines.add("", "about", Value(family.about), family.place);
  const std::pair<const char*, const std::vector<std::string>*> matches[] = {
      {"model_type", &family.match.model_types},
      {"architectures", &family.match.architectures},
      {"gguf", &family.match.gguf}};
  for (const auto& [key, words] : matches)
    if (!words->empty()) lines.add("match", key, texts(*words), family.place);
  if (!family.match.inside.empty()) lines.add("match", "inside", Value(family.match.inside), family.place);
  lines.reading("", family.base.hub);
  lines.spectators("", family.hub_spectators);
  lines.settings("model", family.model);
  lines.overlay("", family.base);
  for (const auto& [name, axis] : family.axes) {
    Array rules;
    for (const KindRule& rule : axis.rules) rules.push_back(rule.written);
    lines.add("axis." + name, "rules", Value(std::move(rules)), axis.place);
  }
  for (const auto& [name, kind] : family.kinds) {
    lines.add("kind." + name, "word", texts(kind.words), kind.place);
    lines.overlay(fmt::format("kind.{}.", name), kind.overlay);
    lines.reading(fmt::format("kind.{}.", name), kind.overlay.hub);
  }
  lines.tensors("", family.hub_tensors);
  lines.patterns("canonical", family.mlx.canonical);
  lines.patterns("plain", family.mlx.plain);
  lines.patterns("eight_bits", family.mlx.eight_bits);
  lines.patterns("keep_dtype", family.mlx.keep_dtype);
  lines.patterns("unread", family.mlx.unread);
  lines.tensors("mlx.", family.mlx.hub);
  lines.reading("gguf.", family.base.gguf);
  for (const auto& [name, kind] : family.kinds)
    lines.reading(fmt::format("gguf.kind.{}.", name), kind.overlay.gguf);
  lines.spectators("gguf.", family.gguf_spectators);
  lines.tensors("gguf.", family.gguf_tensors);
  lines.tensors("gguf.mlx.", family.mlx.gguf);
  if (has_hub(family))
    for (const auto& [name, value] : family.gguf_hub) lines.add("gguf.hub", name, value.written, value.place);
  return lines.take();
}

std::string family_text(const Family& family) {
  std::string out, section;
  for (const FamilyLine& line : family_lines(family)) {
    if (line.section != section) out += fmt::format("\n[{}]\n", section = line.section);
    const std::string entry = fmt::format("{} = {}", line.key, line.value);
    out += fmt::format("{:<78}  # {}\n", entry, line.origin);
  }
  return out;
}

std::string families_page(const FamilyLibrary& library) {
  std::string out =
      "# Families\n\n"
      "Made from families/*.toml by `varve families --markdown`; a test keeps it current. A family that is "
      "not\n"
      "here is a file away: [family-language.md](family-language.md).\n\n"
      "| family | model_type | GGUF | blocks | example |\n|---|---|---|---|---|\n";
  for (const FamilyRow& row : family_rows(library))
    out += fmt::format("| {} | {} | {} | {} | {} |\n", row.name, fmt::join(row.model_types, ", "),
                       fmt::join(row.gguf, ", "), fmt::join(row.blocks, ", "), row.example);
  for (const FamilyRow& row : family_rows(library))
    out += fmt::format("\n## {}\n\n{}.\n", row.name, row.about);
  return out;
}

}  // namespace varve::family
