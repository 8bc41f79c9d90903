#pragma once
// The files about text that stand beside the weights of a converted checkpoint, so that programs that read
// Hugging Face's or MLX's directories find what they look for.
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace varve::runtime {

struct NamedText {
  std::string
      name;  // below the checkpoint's directory: "tokenizer.json", "additional_chat_templates/x.jinja"
  std::string text;              // the whole file, where it is made
  std::filesystem::path source;  // where it is not empty: the file to copy as it is
};

/// Of a directory: its tokenizer's files, chat templates, generation_config.json, code, README and licences,
/// to be copied. Of a GGUF file without such files: tokenizer.json, tokenizer_config.json, chat templates and
/// generation_config.json, made from its metadata, as far as it says them. In order of name.
/// A LoadError says what of the metadata cannot be used.
std::vector<NamedText> text_files(const checkpoint::Checkpoint& checkpoint);

}  // namespace varve::runtime
