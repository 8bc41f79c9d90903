#include "runtime/text_files.h"

#include <fmt/format.h>

#include "text/gguf_tokenizer.h"

namespace varve::runtime {

namespace fs = std::filesystem;

namespace {

std::optional<int32_t> id_of(const Value& config, std::string_view key) {
  const Value* value = config.find(key);
  if (!value || !value->is_integer() || value->integer() < 0 || value->integer() > INT32_MAX)
    return std::nullopt;
  return static_cast<int32_t>(value->integer());
}

std::optional<bool> flag_of(const Value& config, std::string_view key) {
  const Value* value = config.find(key);
  return value && value->is_boolean() ? std::optional(value->boolean()) : std::nullopt;
}

std::string text_of(const Value& config, std::string_view key) {
  const Value* value = config.find(key);
  return value && value->is_text() ? value->text() : std::string();
}

/// "tokenizer.chat_template" is the default, "tokenizer.chat_template.NAME" are further ones.
std::map<std::string, std::string> templates_of(const Value& metadata) {
  constexpr std::string_view key = "tokenizer.chat_template";
  std::map<std::string, std::string> templates;
  for (const auto& [name, value] : metadata.table()) {
    if (!name.starts_with(key) || !value.is_text()) continue;
    if (name == key) templates["default"] = value.text();
    if (name.size() > key.size() + 1 && name[key.size()] == '.')
      templates[name.substr(key.size() + 1)] = value.text();
  }
  return templates;
}

text::TextAssets assets_of_gguf(const checkpoint::Checkpoint& checkpoint) {
  if (!checkpoint.vocabulary)
    throw LoadError(
        {.what = "the file holds no tokenizer",
         .where = checkpoint.path.string(),
         .expected = "tokenizer.ggml.tokens in its metadata",
         .found = {},
         .advice = "Only token ids can go in and out (--ids); or take a file that has its tokenizer."});
  const Value& metadata = checkpoint.config;
  text::GgufVocab vocab;
  vocab.model = text_of(metadata, "tokenizer.ggml.model");
  vocab.pre = text_of(metadata, "tokenizer.ggml.pre");
  vocab.tokens = checkpoint.vocabulary->tokens;
  vocab.scores = checkpoint.vocabulary->scores;
  vocab.types = checkpoint.vocabulary->types;
  vocab.merges = checkpoint.vocabulary->merges;
  vocab.bos = id_of(metadata, "tokenizer.ggml.bos_token_id");
  vocab.eos = id_of(metadata, "tokenizer.ggml.eos_token_id");
  vocab.unk = id_of(metadata, "tokenizer.ggml.unknown_token_id");
  vocab.pad = id_of(metadata, "tokenizer.ggml.padding_token_id");
  vocab.add_bos = flag_of(metadata, "tokenizer.ggml.add_bos_token");
  vocab.add_eos = flag_of(metadata, "tokenizer.ggml.add_eos_token");
  vocab.add_space_prefix = flag_of(metadata, "tokenizer.ggml.add_space_prefix");
  vocab.chat_templates = templates_of(metadata);
  vocab.origin = checkpoint.path.string();
  return text::text_assets_from_gguf(vocab);
}

bool has_tokenizer_files(const fs::path& directory) {
  std::error_code absent;
  return fs::exists(directory / "tokenizer.json", absent) ||
         fs::exists(directory / "tokenizer.model", absent);
}

text::TextAssets assets_at(const fs::path& path) {
  std::error_code absent;
  const bool tokenizer = fs::is_directory(path, absent)
                             ? has_tokenizer_files(path)
                             : path.extension() == ".json" || path.extension() == ".model";
  if (tokenizer) return text::load_text_assets(path);
  // No tokenizer beside the weights: perhaps inside them.
  return text_assets_of(checkpoint::Checkpoint::open(path));
}

}  // namespace

bool holds_text(const checkpoint::Checkpoint& checkpoint) {
  if (has_text_inside(checkpoint)) return checkpoint.vocabulary.has_value();
  std::error_code absent;
  const bool directory = fs::is_directory(checkpoint.path, absent);
  return has_tokenizer_files(directory ? checkpoint.path : checkpoint.path.parent_path());
}

bool has_text_inside(const checkpoint::Checkpoint& checkpoint) {
  std::error_code absent;
  const bool directory = fs::is_directory(checkpoint.path, absent);
  return checkpoint.layout == checkpoint::Checkpoint::Layout::gguf &&
         !(directory && has_tokenizer_files(checkpoint.path));
}

text::TextAssets text_assets_of(const checkpoint::Checkpoint& checkpoint) {
  if (has_text_inside(checkpoint)) return assets_of_gguf(checkpoint);
  std::error_code absent;
  const bool directory = fs::is_directory(checkpoint.path, absent);
  return text::load_text_assets(directory ? checkpoint.path : checkpoint.path.parent_path());
}

std::unique_ptr<engine::ModelText> load_text(const fs::path& path) {
  return std::make_unique<engine::ModelText>(assets_at(path));
}

std::unique_ptr<engine::ModelText> load_text(const checkpoint::Checkpoint& checkpoint) {
  return std::make_unique<engine::ModelText>(text_assets_of(checkpoint));
}

}  // namespace varve::runtime
