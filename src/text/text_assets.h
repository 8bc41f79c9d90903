#pragma once
// Everything about text that a checkpoint says, whatever files it says it in: the one thing a Tokenizer
// and a ChatTemplate are made from. A Hugging Face or MLX directory fills it here; the reader of a GGUF file
// fills it from metadata (see gguf_tokenizer.h).
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace varve::text {

struct TextAssets {
  /// The text of a tokenizer.json.
  std::string tokenizer_json;
  /// Chat templates by name; "default" is the one used where nothing else is asked for.
  std::map<std::string, std::string> chat_templates;
  /// What templates see as variables: "bos_token" -> "<s>", "eos_token", "unk_token", "pad_token", ...
  std::map<std::string, std::string> special_tokens;
  /// Further spellings that are control tokens (additional_special_tokens, added_tokens_decoder).
  std::vector<std::string> control_tokens;
  /// Whether encoding with special tokens begins with bos or ends with eos; empty: as tokenizer_json says.
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  /// The directory or file, for messages.
  std::string origin;
};

/// Reads tokenizer.json (or builds one from tokenizer.model), tokenizer_config.json, special_tokens_map.json,
/// chat_template.jinja, chat_template.json and additional_chat_templates/. A path to a tokenizer.json or
/// tokenizer.model itself is taken as such, with the files beside it. A LoadError says what is missing.
TextAssets load_text_assets(const std::filesystem::path& path);

}  // namespace varve::text
