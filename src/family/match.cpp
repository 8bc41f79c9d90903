#include "family/match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "family/config_check.h"
#include "family/spec_builder.h"
#include "family/tensor_map.h"
#include "nn/loader.h"
#include "nn/model.h"

namespace varve::family {

using checkpoint::Checkpoint;

namespace {

bool is_gguf(const Checkpoint& checkpoint) { return checkpoint.layout == Checkpoint::Layout::gguf; }

std::string text_at(const Value& config, const std::string& key) {
  const Value* found = config.find(key);
  return found && found->is_text() ? found->text() : std::string();
}

std::vector<std::string> architectures_of(const Value& config) {
  std::vector<std::string> out;
  if (const Value* list = config.find("architectures"); list && list->is_array())
    for (const Value& item : list->array())
      if (item.is_text()) out.push_back(item.text());
  return out;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return !word.empty() && std::find(words.begin(), words.end(), word) != words.end();
}

std::string config_file(const Checkpoint& checkpoint) {
  if (is_gguf(checkpoint)) return checkpoint.path.string();
  const bool file = std::filesystem::is_regular_file(checkpoint.path);
  return ((file ? checkpoint.path.parent_path() : checkpoint.path) / "config.json").string();
}

/// How the family names this checkpoint, or "".
std::string named_by(const Match& match, const Checkpoint& checkpoint, bool architectures) {
  const Value& config = checkpoint.config;
  if (is_gguf(checkpoint)) {
    const std::string arch = text_at(config, "general.architecture");
    return !architectures && contains(match.gguf, arch) ? fmt::format("GGUF architecture \"{}\"", arch) : "";
  }
  if (!architectures) {
    const std::string type = text_at(config, "model_type");
    return contains(match.model_types, type) ? fmt::format("model_type \"{}\"", type) : "";
  }
  for (const std::string& name : architectures_of(config))
    if (contains(match.architectures, name)) return fmt::format("architecture \"{}\"", name);
  return "";
}

/// Tensor names with their numbers as *, each once, with how often.
std::vector<std::string> condensed(const std::vector<std::string>& names) {
  std::map<std::string, int> seen;
  for (const std::string& name : names) {
    std::string pattern;
    for (const char c : name) {
      const bool digit = c >= '0' && c <= '9';
      if (!digit)
        pattern += c;
      else if (pattern.empty() || pattern.back() != '*')
        pattern += '*';
    }
    ++seen[pattern];
  }
  std::vector<std::string> out;
  for (const auto& [pattern, count] : seen)
    out.push_back(count > 1 ? fmt::format("{} ({})", pattern, count) : pattern);
  return out;
}

/// At most `most` of the items in one line.
std::string listed(const std::vector<std::string>& items, size_t most) {
  const size_t shown = std::min(items.size(), most);
  std::string out =
      fmt::format("{}", fmt::join(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (items.size() > shown) out += fmt::format(", and {} more", items.size() - shown);
  return out;
}

/// Stored names of tensors that no block of the family would use; all are named when the family cannot even
/// be resolved for this config.
std::vector<std::string> unclaimed_tensors(const Checkpoint& checkpoint, const Family& family) {
  std::vector<std::string> out;
  try {
    const ConfigView view = view_of(checkpoint, family);
    SpecReport report;
    const nn::ModelSpec spec = build_spec(family, view, report);
    Answers answers(family, view);
    TensorMap map(map_names(checkpoint, family, view, answers), view.where);
    nn::CheckBinder binder(map);
    nn::bind_model(spec, binder);
    for (const auto& unclaimed : map.unclaimed()) out.push_back(unclaimed.stored);
  } catch (const LoadError&) {
    for (const auto& [name, tensor] : checkpoint.tensors) out.push_back(name);
  }
  return out;
}

[[noreturn]] void refuse_unknown(const Checkpoint& checkpoint, const FamilyLibrary& library) {
  const std::string type =
      text_at(checkpoint.config, is_gguf(checkpoint) ? "general.architecture" : "model_type");
  std::vector<std::string> known, everywhere;
  const Family* nearest_family = nullptr;
  size_t fewest = 0;
  for (const std::string& name : library.names()) {
    const Family* family = library.find(name);
    const auto& types = is_gguf(checkpoint) ? family->match.gguf : family->match.model_types;
    known.insert(known.end(), types.begin(), types.end());
    std::vector<std::string> paths;
    for (const UnreadKey& key : unread_keys(*family, view_of(checkpoint, *family))) paths.push_back(key.path);
    if (!nearest_family || paths.size() < fewest ||
        (paths.size() == fewest && nearest(type, {nearest_family->name, name}) == name)) {
      fewest = paths.size();
      nearest_family = family;
    }
    if (known.size() == types.size()) everywhere = paths;
    std::erase_if(everywhere, [&](const std::string& path) { return !contains(paths, path); });
  }
  const std::string what =
      type.empty() ? std::string("the config names no model_type or architecture that a family knows")
                   : fmt::format("no family reads {} \"{}\"",
                                 is_gguf(checkpoint) ? "GGUF architecture" : "model_type", type);
  std::string found;
  if (nearest_family) {
    found = fmt::format(
        "nearest family: {}\n  config keys that no family reads: {}\n  tensors that family \"{}\" does not "
        "claim: {}",
        nearest_family->name, everywhere.empty() ? "none" : listed(everywhere, 24), nearest_family->name,
        listed(condensed(unclaimed_tensors(checkpoint, *nearest_family)), 16));
  }
  throw LoadError(
      {.what = what,
       .where = config_file(checkpoint),
       .expected = fmt::format("one of {}", fmt::join(known, ", ")),
       .found = std::move(found),
       .advice = "A new family is a file: see docs/family-language.md, put it in ~/.config/varve/families or "
                 "give it with --family."});
}

Matched matched(const Family& family, const Checkpoint& checkpoint, std::string by) {
  return {
      .family = &family,
      .view = view_of(checkpoint, family),
      .model_type = text_at(checkpoint.config, is_gguf(checkpoint) ? "general.architecture" : "model_type"),
      .by = std::move(by),
      .doubtful = false};
}

}  // namespace

ConfigView view_of(const Checkpoint& checkpoint, const Family& family) {
  ConfigView view{.config = checkpoint.config,
                  .gguf = is_gguf(checkpoint),
                  .arch = {},
                  .where = config_file(checkpoint),
                  .checkpoint = &checkpoint};
  if (view.gguf) view.arch = text_at(checkpoint.config, "general.architecture");
  if (view.gguf || family.match.inside.empty()) return view;
  const Value* inner = checkpoint.config.find(family.match.inside);
  if (!inner || !inner->is_table()) return view;
  Value config = *inner;
  // What holds for the whole model stands outside; the inner table's word wins.
  for (const char* key : {"tie_word_embeddings", "quantization", "quantization_config"})
    if (const Value* outer = checkpoint.config.find(key); outer && !config.find(key))
      config.table().set(key, *outer);
  view.config = std::move(config);
  return view;
}

Matched match_checkpoint(const Checkpoint& checkpoint, const FamilyLibrary& library) {
  if (!library.chosen().empty()) {
    const Family* family = library.find(library.chosen());
    if (!family)
      fail_at({library.chosen() + ".toml", 0},
              "a file whose name begins with _ is a part for others to extend, no family");
    std::string by = named_by(family->match, checkpoint, false);
    if (by.empty()) by = named_by(family->match, checkpoint, true);
    Matched out = matched(*family, checkpoint, by.empty() ? "--family" : by);
    out.doubtful = by.empty();
    return out;
  }
  for (const bool architectures : {false, true})
    for (const std::string& name : library.by_precedence()) {
      if (std::string by = named_by(library.match_of(name), checkpoint, architectures); !by.empty())
        return matched(*library.find(name), checkpoint, std::move(by));
    }
  refuse_unknown(checkpoint, library);
}

}  // namespace varve::family
