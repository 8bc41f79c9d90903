#include "runtime/text_export.h"

#include <algorithm>

#include "core/json.h"
#include "family/pattern.h"
#include "runtime/text_files.h"

namespace varve::runtime {

namespace fs = std::filesystem;

namespace {

/// What is copied, beside weights and config.json: as MLX's converter carries it over, and the terms of use.
constexpr std::string_view kCopied[] = {"tokenizer*.json",
                                        "*.model",
                                        "*.tiktoken",
                                        "vocab.json",
                                        "vocab.txt",
                                        "merges.txt",
                                        "added_tokens.json",
                                        "special_tokens_map.json",
                                        "chat_template*.json",
                                        "*.jinja",
                                        "generation_config.json",
                                        "preprocessor_config.json",
                                        "processor_config.json",
                                        "*.py",
                                        "README.md",
                                        "LICENSE*",
                                        "LICENCE*",
                                        "NOTICE*",
                                        "USE_POLICY*"};

constexpr const char* kMoreTemplates = "additional_chat_templates";

bool is_copied(const std::string& name) {
  return std::any_of(std::begin(kCopied), std::end(kCopied), [&](std::string_view pattern) {
    return family::match_pattern(pattern, name).has_value();
  });
}

void list_directory(const fs::path& directory, const std::string& prefix, std::vector<NamedText>& into) {
  std::error_code absent;
  for (const auto& item : fs::directory_iterator(directory, absent)) {
    const std::string name = item.path().filename().string();
    if (item.is_regular_file(absent) && is_copied(name))
      into.push_back({.name = prefix + name, .text = {}, .source = item.path()});
  }
}

std::string file_text(Table table) {
  return json::dump_as_python(json::with_sorted_members(std::move(table)), 2) + "\n";
}

std::string tokenizer_config(const text::TextAssets& assets) {
  Table config;
  config.set("tokenizer_class", "PreTrainedTokenizerFast");
  config.set("clean_up_tokenization_spaces", false);
  config.set("add_bos_token", assets.add_bos.value_or(false));
  config.set("add_eos_token", assets.add_eos.value_or(false));
  for (const auto& [name, spelling] : assets.special_tokens) config.set(name, spelling);
  if (const auto found = assets.chat_templates.find("default"); found != assets.chat_templates.end())
    config.set("chat_template", found->second);
  return file_text(std::move(config));
}

Table generation_config(const Value& metadata) {
  Table config;
  for (const auto& [key, stored] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                    {"pad_token_id", "tokenizer.ggml.padding_token_id"}})
    if (const Value* id = metadata.find(stored)) config.set(key, *id);
  Array ends = checkpoint::gguf_end_tokens(metadata);
  if (!ends.empty()) config.set("eos_token_id", ends.size() == 1 ? ends.front() : Value(std::move(ends)));
  return config;
}

std::vector<NamedText> made_files(const checkpoint::Checkpoint& checkpoint) {
  std::vector<NamedText> files;
  const auto add = [&](std::string name, std::string text) {
    files.push_back({.name = std::move(name), .text = std::move(text), .source = {}});
  };
  if (Table config = generation_config(checkpoint.config); !config.empty())
    add("generation_config.json", file_text(std::move(config)));
  if (!checkpoint.vocabulary) return files;
  text::TextAssets assets = text_assets_of(checkpoint);
  for (const auto& [name, source] : assets.chat_templates) {
    const bool first = name == "default";
    // A name out of a file never leads out of the directory.
    if (first || (name.find('/') == std::string::npos && name.find('\0') == std::string::npos))
      add(first ? "chat_template.jinja" : std::string(kMoreTemplates) + '/' + name + ".jinja", source);
  }
  add("tokenizer_config.json", tokenizer_config(assets));
  add("tokenizer.json", std::move(assets.tokenizer_json));
  return files;
}

}  // namespace

std::vector<NamedText> text_files(const checkpoint::Checkpoint& checkpoint) {
  std::vector<NamedText> files;
  if (has_text_inside(checkpoint)) {
    files = made_files(checkpoint);
  } else {
    std::error_code absent;
    const bool directory = fs::is_directory(checkpoint.path, absent);
    const fs::path at = directory ? checkpoint.path : checkpoint.path.parent_path();
    list_directory(at, "", files);
    list_directory(at / kMoreTemplates, std::string(kMoreTemplates) + '/', files);
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

}  // namespace varve::runtime
