// Vocabularies of other formats become the tokenizer.json that they stand for.
#include <algorithm>
#include <set>

#include "text/gguf_tokenizer.h"
#include "text/sentencepiece.h"
#include "text_support.h"

namespace varve::text {
namespace {

namespace fs = std::filesystem;

fs::path only_model(const std::string& name) {
  const fs::path dir = test::scratch_dir();
  fs::copy_file(tokenizer_dir(name) / "tokenizer.model", dir / "tokenizer.model");
  return dir;
}

std::set<std::string> merges_of(const std::string& tokenizer_json) {
  const auto document = json::parse(tokenizer_json, {.bytes = 64 << 20, .keys = 4'000'000});
  std::set<std::string> merges;
  for (const Value& merge : document.value().find_path("model.merges")->array()) {
    merges.insert(merge.is_text() ? merge.text() : merge.array()[0].text() + " " + merge.array()[1].text());
  }
  return merges;
}

void expect_same_as_json(const std::string& name, const std::string& goldens) {
  VARVE_NEEDS(tokenizer_dir(name));
  const TextAssets assets = load_text_assets(only_model(name));
  const Tokenizer built = Tokenizer::load(assets);
  const Tokenizer& original = shared_tokenizer(name);
  EXPECT_EQ(built.vocab_size(), original.vocab_size());
  EXPECT_EQ(built.bos_id(), 1);
  EXPECT_EQ(built.eos_id(), 2);
  const Value document = json::read_file(test::shared_data("tokenizers/pairs/sentencepiece_goldens.json"));
  size_t count = 0;
  for (const Value& text : document.find("texts")->array()) {
    EXPECT_EQ(encode(built, text.text()), encode(original, text.text())) << text.text();
    ++count;
  }
  EXPECT_GT(count, 100u);
  for (const std::string& text : pair_texts(goldens)) {
    const auto ids = encode(built, text, {.add_special = true});
    EXPECT_EQ(ids, encode(original, text, {.add_special = true})) << text;
    EXPECT_EQ(built.decode(ids, true), text);
  }
}

TEST(TokenizerModel, SameIdsAsTokenizerJson) {
  expect_same_as_json("llama2", "llama-spm");
  expect_same_as_json("mistral", "llama-spm");
}

TEST(TokenizerModel, SameMergesAsTransformersConverter) {
  VARVE_NEEDS(tokenizer_dir("llama2"));
  const auto built = merges_of(load_text_assets(only_model("llama2")).tokenizer_json);
  const auto original = merges_of(read_text(tokenizer_dir("llama2") / "tokenizer.json", 16 << 20));
  EXPECT_EQ(built, original);
}

TEST(TokenizerModel, BrokenFiles) {
  VARVE_NEEDS(tokenizer_dir("llama2"));
  const std::string good = read_text(tokenizer_dir("llama2") / "tokenizer.model", 1 << 20);
  EXPECT_THROW(read_sentencepiece("hello", "x"), LoadError);
  EXPECT_THROW(read_sentencepiece(good.substr(0, good.size() / 2 + 1), "x"), LoadError);
  EXPECT_THROW(read_sentencepiece("\x0A\xFF\xFF\xFF\xFF\x0F", "x"), LoadError);
  EXPECT_THROW(tokenizer_json_from_pieces(read_sentencepiece("", "x")), LoadError);
}

/// The arrays that a converter would write into a GGUF file for this tokenizer.
GgufVocab gguf_from(const std::string& name, const std::string& pre) {
  const auto document = json::parse(read_text(tokenizer_dir(name) / "tokenizer.json", 16 << 20),
                                    {.bytes = 64 << 20, .keys = 4'000'000});
  const Value& json = document.value();
  GgufVocab vocab;
  vocab.model = "gpt2";
  vocab.pre = pre;
  vocab.origin = name;
  const auto put = [&](int64_t id, const std::string& token, int32_t type) {
    const auto at = static_cast<size_t>(id);
    if (vocab.tokens.size() <= at) {
      vocab.tokens.resize(at + 1);
      vocab.types.resize(at + 1, 5);
    }
    vocab.tokens[at] = token;
    vocab.types[at] = type;
  };
  for (const auto& [token, id] : json.find_path("model.vocab")->table()) put(id.integer(), token, 1);
  for (const Value& token : json.find("added_tokens")->array()) {
    put(token.find("id")->integer(), token.find("content")->text(), token.find("special")->boolean() ? 3 : 4);
  }
  for (const Value& merge : json.find_path("model.merges")->array()) {
    vocab.merges.push_back(merge.is_text() ? merge.text()
                                           : merge.array()[0].text() + " " + merge.array()[1].text());
  }
  return vocab;
}

void expect_gguf_goldens(const std::string& name, const std::string& pre, const std::string& goldens) {
  VARVE_NEEDS(tokenizer_dir(name));
  const Tokenizer tokenizer = Tokenizer::load(text_assets_from_gguf(gguf_from(name, pre)));
  const auto texts = pair_texts(goldens);
  const auto expected = pair_ids(goldens);
  ASSERT_EQ(expected.size(), 46u);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(encode(tokenizer, texts[i]), expected[i]) << pre << " " << i << ": " << texts[i];
    EXPECT_EQ(tokenizer.decode(expected[i]), texts[i]) << pre << " " << i;
  }
}

TEST(GgufTokenizer, ByteLevelKindsGiveTheGoldens) {
  expect_gguf_goldens("gpt2", "gpt-2", "gpt-2");
  expect_gguf_goldens("llama3", "llama-bpe", "llama-bpe");
  expect_gguf_goldens("qwen2.5", "qwen2", "qwen2");
  expect_gguf_goldens("deepseek-llm", "deepseek-llm", "deepseek-llm");
}

TEST(GgufTokenizer, SentencepieceGivesTheGoldens) {
  VARVE_NEEDS(tokenizer_dir("llama2"));
  const SentencePieces pieces =
      read_sentencepiece(read_text(tokenizer_dir("llama2") / "tokenizer.model", 1 << 20), "x");
  GgufVocab vocab{.model = "llama", .pre = "default", .origin = "llama2"};
  for (const auto& piece : pieces.pieces) {
    vocab.tokens.push_back(piece.text);
    vocab.scores.push_back(piece.score);
    vocab.types.push_back(static_cast<int32_t>(piece.type));
  }
  vocab.bos = 1;
  vocab.eos = 2;
  vocab.unk = 0;
  const Tokenizer tokenizer = Tokenizer::load(text_assets_from_gguf(vocab));
  const auto texts = pair_texts("llama-spm");
  const auto expected = pair_ids("llama-spm");
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(encode(tokenizer, texts[i]), expected[i]) << texts[i];
    EXPECT_EQ(tokenizer.decode(expected[i]), texts[i]);
  }
  EXPECT_EQ(encode(tokenizer, "Hi", {.add_special = true}).front(), 1) << "bos is the default of this kind";
  vocab.add_bos = false;
  EXPECT_NE(encode(Tokenizer::load(text_assets_from_gguf(vocab)), "Hi", {.add_special = true}).front(), 1);
}

GgufVocab small_vocab() {
  GgufVocab vocab{.model = "gpt2", .pre = "smollm", .origin = "small.gguf"};
  vocab.tokens = {"<end>", "1", "2", "12", "a", "Ġ", "Ġa", "  a"};
  vocab.types = {3, 1, 1, 1, 1, 1, 1, 4};
  vocab.merges = {"1 2", "Ġ a"};
  vocab.eos = 0;
  return vocab;
}

TEST(GgufTokenizer, DigitsApartAndLiteralTokensFirst) {
  const Tokenizer tokenizer = Tokenizer::load(text_assets_from_gguf(small_vocab()));
  EXPECT_EQ(encode(tokenizer, "12"), (std::vector<int32_t>{1, 2})) << "the merge 1 2 does not cross digits";
  EXPECT_EQ(encode(tokenizer, " a"), std::vector<int32_t>{6});
  EXPECT_EQ(encode(tokenizer, "a  a"), (std::vector<int32_t>{4, 7}))
      << "user-defined tokens hold real spaces";
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{4, 7, 6}), "a  a a");
  EXPECT_TRUE(tokenizer.is_control(0));
  EXPECT_FALSE(tokenizer.is_control(7));
  GgufVocab other = small_vocab();
  other.pre = "gpt-2";
  EXPECT_EQ(encode(Tokenizer::load(text_assets_from_gguf(other)), "12"), std::vector<int32_t>{3});
}

TEST(GgufTokenizer, WhatCannotBeReadIsRefusedByName) {
  const auto refusal = [](auto change) {
    GgufVocab vocab = small_vocab();
    change(vocab);
    try {
      tokenizer_json_from_gguf(vocab);
    } catch (const LoadError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal([](GgufVocab&) {}), "");
  EXPECT_NE(refusal([](GgufVocab& v) { v.pre = "nonesuch"; }).find("\"nonesuch\""), std::string::npos);
  EXPECT_NE(refusal([](GgufVocab& v) { v.model = "rwkv"; }).find("\"rwkv\""), std::string::npos);
  EXPECT_NE(refusal([](GgufVocab& v) { v.merges = {"a zz"}; }).find("a zz"), std::string::npos);
  EXPECT_NE(refusal([](GgufVocab& v) { v.merges = {}; }), "");
  EXPECT_NE(refusal([](GgufVocab& v) { v.types.pop_back(); }), "");
  EXPECT_NE(refusal([](GgufVocab& v) { v.types[0] = 9; }), "");
  EXPECT_NE(refusal([](GgufVocab& v) { v.eos = 8; }), "");
  EXPECT_NE(refusal([](GgufVocab& v) { v.bos = -1; }), "");
  EXPECT_NE(refusal([](GgufVocab& v) { v.tokens.clear(); }), "");
  EXPECT_NE(refusal([](GgufVocab& v) { v.model = "llama"; }).find("scores"), std::string::npos);
}

}  // namespace
}  // namespace varve::text
