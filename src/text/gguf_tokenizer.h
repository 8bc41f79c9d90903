#pragma once
// The tokenizer that a GGUF file carries in its metadata, as the tokenizer.json it was made from.
// How the arrays are to be read: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "text/text_assets.h"

namespace varve::text {

/// The members of tokenizer.ggml.* (and tokenizer.chat_template*), each empty where the file has none.
struct GgufVocab {
  std::string model;  // byte-level merges or sentencepiece scores, see syntax/gguf_pre.h
  std::string pre;    // how text is split before merging
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;  // 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;
  std::optional<int32_t> bos, eos, unk, pad;
  std::optional<bool> add_bos, add_eos, add_space_prefix;
  std::map<std::string, std::string> chat_templates;  // "default" and further names
  std::string origin;                                 // the file, for messages
};

/// LoadError when the arrays contradict each other, or the model or `pre` is none that this program knows.
std::string tokenizer_json_from_gguf(const GgufVocab& vocab);

/// The whole text side of the file: the above, special tokens, bos and eos, chat templates.
TextAssets text_assets_from_gguf(const GgufVocab& vocab);

}  // namespace varve::text
