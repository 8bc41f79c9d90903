#include "family/match.h"

#include <fmt/format.h>

#include <algorithm>

#include "family/unknown.h"

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

Matched matched(const Family& family, const Checkpoint& checkpoint, std::string by) {
  return {
      .family = &family,
      .view = view_of(checkpoint, family),
      .model_type = text_at(checkpoint.config, is_gguf(checkpoint) ? "general.architecture" : "model_type"),
      .by = std::move(by),
      .doubtful = false};
}

}  // namespace

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
  for (const bool architectures : {false, true}) {
    // A model_type that no family knows is not a family's because the rest looks like it.
    if (architectures && !text_at(checkpoint.config, "model_type").empty()) break;
    for (const std::string& name : library.by_precedence()) {
      if (std::string by = named_by(library.match_of(name), checkpoint, architectures); !by.empty())
        return matched(*library.find(name), checkpoint, std::move(by));
    }
  }
  refuse_unknown(checkpoint, library, config_file(checkpoint));
}

}  // namespace varve::family
