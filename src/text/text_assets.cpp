#include "text/text_assets.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "text/sentencepiece.h"

namespace varve::text {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxTokenizer = size_t{256} << 20;
constexpr size_t kMaxTemplate = size_t{1} << 20;

/// A special token is written as its text or as a table with a member `content`.
std::string spelling(const Value& value) {
  if (value.is_text()) return value.text();
  const Value* content = value.find("content");
  return content != nullptr && content->is_text() ? content->text() : std::string();
}

bool ends_with_token(const std::string& key) { return key.size() > 6 && key.ends_with("_token"); }

void read_special_tokens(const Value& config, TextAssets& assets) {
  if (!config.is_table()) return;
  for (const auto& [key, value] : config.table()) {
    if (ends_with_token(key)) {
      if (std::string text = spelling(value); !text.empty()) assets.special_tokens[key] = std::move(text);
    }
  }
  if (const Value* more = config.find("additional_special_tokens"); more != nullptr && more->is_array()) {
    for (const Value& token : more->array()) {
      if (std::string text = spelling(token); !text.empty()) assets.control_tokens.push_back(std::move(text));
    }
  }
}

/// A chat template is one text, or a list of {name, template}.
void read_templates(const Value* value, const fs::path& file, TextAssets& assets) {
  if (value == nullptr || value->is_null()) return;
  if (value->is_text()) {
    assets.chat_templates["default"] = value->text();
    return;
  }
  bool good = value->is_array();
  if (good) {
    for (const Value& entry : value->array()) {
      const Value* name = entry.find("name");
      const Value* source = entry.find("template");
      good = good && name != nullptr && name->is_text() && source != nullptr && source->is_text();
      if (good) assets.chat_templates[name->text()] = source->text();
    }
  }
  if (!good) {
    throw LoadError({.what = "chat_template has a wrong form",
                     .where = file.string(),
                     .expected = "a text, or a list of tables with name and template",
                     .found = std::string(value->kind_name()),
                     .advice = "correct the file, or fetch it again"});
  }
}

void read_tokenizer_config(const fs::path& file, TextAssets& assets) {
  const Value config = json::read_file(file);
  read_special_tokens(config, assets);
  read_templates(config.find("chat_template"), file, assets);
  const auto flag = [&](const char* name) -> std::optional<bool> {
    const Value* value = config.find(name);
    if (value == nullptr || !value->is_boolean()) return std::nullopt;
    return value->boolean();
  };
  assets.add_bos = flag("add_bos_token");
  assets.add_eos = flag("add_eos_token");
  if (const Value* added = config.find("added_tokens_decoder"); added != nullptr && added->is_table()) {
    for (const auto& [id, token] : added->table()) {
      const Value* special = token.find("special");
      if (special != nullptr && special->is_boolean() && special->boolean()) {
        assets.control_tokens.push_back(spelling(token));
      }
    }
  }
}

// A template in a file of its own wins over the one in tokenizer_config.json.
void read_template_files(const fs::path& dir, TextAssets& assets) {
  if (const fs::path file = dir / "chat_template.json"; fs::exists(file)) {
    const Value document = json::read_file(file);
    read_templates(document.find("chat_template"), file, assets);
  }
  if (const fs::path file = dir / "chat_template.jinja"; fs::exists(file)) {
    assets.chat_templates["default"] = read_text(file, kMaxTemplate);
  }
  const fs::path more = dir / "additional_chat_templates";
  if (!fs::is_directory(more)) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(more)) {
    if (entry.path().extension() != ".jinja") continue;
    assets.chat_templates[entry.path().stem().string()] = read_text(entry.path(), kMaxTemplate);
  }
}

/// What tokenizer_config.json leaves open is taken from the model: its marks, and that a text begins with
/// bos.
void read_model_file(const fs::path& file, TextAssets& assets) {
  const SentencePieces model = read_sentencepiece(read_text(file, kMaxTokenizer), file.string());
  assets.tokenizer_json = tokenizer_json_from_pieces(model);
  for (const auto& [name, id] : {std::pair{"bos_token", model.bos},
                                 {"eos_token", model.eos},
                                 {"unk_token", model.unk},
                                 {"pad_token", model.pad}}) {
    if (id >= 0 && static_cast<size_t>(id) < model.pieces.size()) {
      assets.special_tokens.try_emplace(name, model.pieces[static_cast<size_t>(id)].text);
    }
  }
  if (!assets.add_bos) assets.add_bos = !model.unigram && assets.special_tokens.contains("bos_token");
  if (!assets.add_eos) assets.add_eos = model.unigram && assets.special_tokens.contains("eos_token");
}

void read_tokenizer(const fs::path& dir, const fs::path& named, TextAssets& assets) {
  const fs::path json_file = named.extension() == ".json" ? named : dir / "tokenizer.json";
  const fs::path model_file = named.extension() == ".model" ? named : dir / "tokenizer.model";
  if (named.extension() != ".model" && fs::exists(json_file)) {
    assets.tokenizer_json = read_text(json_file, kMaxTokenizer);
    return;
  }
  if (fs::exists(model_file)) {
    read_model_file(model_file, assets);
    return;
  }
  throw LoadError({.what = "the checkpoint has no tokenizer",
                   .where = dir.string(),
                   .expected = "tokenizer.json or tokenizer.model",
                   .found = "neither",
                   .advice = "fetch the checkpoint's tokenizer files; where there are only vocab.json and "
                             "merges.txt, save the tokenizer with Transformers to get a tokenizer.json"});
}

}  // namespace

TextAssets load_text_assets(const fs::path& path) {
  if (!fs::exists(path)) {
    throw LoadError({.what = "no such file or directory", .where = path.string()});
  }
  const bool is_dir = fs::is_directory(path);
  const fs::path dir = is_dir ? path : path.parent_path();
  TextAssets assets;
  assets.origin = path.string();
  if (const fs::path file = dir / "special_tokens_map.json"; fs::exists(file)) {
    read_special_tokens(json::read_file(file), assets);
  }
  if (const fs::path file = dir / "tokenizer_config.json"; fs::exists(file)) {
    read_tokenizer_config(file, assets);
  }
  read_template_files(dir, assets);
  read_tokenizer(dir, is_dir ? fs::path() : path, assets);
  return assets;
}

}  // namespace varve::text
