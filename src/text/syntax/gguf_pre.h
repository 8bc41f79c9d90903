#pragma once
// The values of tokenizer.ggml.pre: each names the pieces into which a model's text is cut before byte-level
// merging. The patterns are those of the models' own tokenizer.json files.
#include <string>
#include <string_view>
#include <vector>

namespace varve::text {

struct GgufPre {
  std::vector<std::string_view> names;
  /// Regular expressions applied one after the other; matches and what lies between them stay apart.
  std::vector<std::string_view> patterns;
  /// A piece that is a token is taken whole, whatever the merges say.
  bool ignore_merges = false;
  /// Text is brought to Unicode's composed form first.
  bool compose = false;
  /// Encoding begins with bos where the file does not say.
  bool add_bos = false;
};

/// Null when there is no such name.
const GgufPre* find_gguf_pre(std::string_view name);
std::vector<std::string> gguf_pre_names();

/// The values of tokenizer.ggml.model that are understood.
inline constexpr std::string_view kGgufByteLevel = "gpt2";
inline constexpr std::string_view kGgufSentencePiece = "llama";

}  // namespace varve::text
