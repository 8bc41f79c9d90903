#pragma once
// What the tests of src/text share: the real tokenizers of the shared data folder, loaded once.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "support/data.h"
#include "text/grammar.h"
#include "text/text_assets.h"
#include "text/tokenizer.h"

namespace varve::text {

/// Every tokenizer kind of the data folder.
inline const std::vector<std::string>& tokenizer_names() {
  static const std::vector<std::string> kNames = {"all-MiniLM-L6-v2", "clip",    "deepseek-llm", "gpt2",
                                                  "llama2",           "llama3",  "mistral",      "phi-3-mini",
                                                  "qwen2.5",          "t5-small"};
  return kNames;
}

inline std::filesystem::path tokenizer_dir(const std::string& name) {
  return test::shared_data("tokenizers/" + name);
}

inline const Tokenizer& shared_tokenizer(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Tokenizer>> loaded;
  auto& slot = loaded[name];
  if (!slot) slot = std::make_unique<Tokenizer>(Tokenizer::load(load_text_assets(tokenizer_dir(name))));
  return *slot;
}

/// The token that ends an answer.
inline int32_t end_of(const Tokenizer& tokenizer) {
  return tokenizer.special_id("eos_token").value_or(tokenizer.vocab_size() - 1);
}

/// Grammars for logits that are `beyond` wider than the vocabulary.
inline Grammars grammars_for(const Tokenizer& tokenizer, int32_t beyond = 0) {
  return Grammars::create(tokenizer, tokenizer.vocab_size() + beyond,
                          std::vector<int32_t>{end_of(tokenizer)});
}

inline std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text,
                                   EncodeOptions options = {}) {
  auto ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok()) << (ids.ok() ? "" : ids.error().message);
  return ids.ok() ? ids.value() : std::vector<int32_t>{};
}

/// The texts of a pairs/*.inp file.
inline std::vector<std::string> pair_texts(const std::string& name) {
  const std::string all = read_text(test::shared_data("tokenizers/pairs/" + name + ".inp"), 1 << 20);
  const std::string mark = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  size_t begin = 0;
  for (size_t end; (end = all.find(mark, begin)) != std::string::npos; begin = end + mark.size()) {
    texts.push_back(all.substr(begin, end - begin));
  }
  texts.push_back(all.substr(begin));
  return texts;
}

/// The ids of a pairs/*.out file, one line per text.
inline std::vector<std::vector<int32_t>> pair_ids(const std::string& name) {
  std::istringstream file(read_text(test::shared_data("tokenizers/pairs/" + name + ".out"), 1 << 20));
  std::vector<std::vector<int32_t>> lines;
  for (std::string line; std::getline(file, line);) {
    std::istringstream numbers(line);
    lines.emplace_back();
    for (int32_t id = 0; numbers >> id;) lines.back().push_back(id);
  }
  return lines;
}

}  // namespace varve::text
