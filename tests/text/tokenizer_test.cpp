// Every kind of tokenizer gives the expected ids, and the text back.
#include "text/tokenizer.h"

#include <thread>

#include "text/chat_template.h"
#include "text_support.h"

namespace varve::text {
namespace {

struct Pair {
  const char* goldens;
  const char* tokenizer;
};

class Pairs : public testing::TestWithParam<Pair> {};

TEST_P(Pairs, EncodeAndDecode) {
  VARVE_NEEDS(tokenizer_dir(GetParam().tokenizer));
  const Tokenizer& tokenizer = shared_tokenizer(GetParam().tokenizer);
  const auto texts = pair_texts(GetParam().goldens);
  const auto expected = pair_ids(GetParam().goldens);
  ASSERT_EQ(expected.size(), 46u);
  ASSERT_GE(texts.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(encode(tokenizer, texts[i]), expected[i]) << i << ": " << texts[i];
    EXPECT_EQ(encode(tokenizer, texts[i], {.parse_special = true}), expected[i]) << i;
    EXPECT_EQ(tokenizer.decode(expected[i]), texts[i]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, Pairs,
                         testing::Values(Pair{"deepseek-llm", "deepseek-llm"}, Pair{"gpt-2", "gpt2"},
                                         Pair{"llama-bpe", "llama3"}, Pair{"llama-spm", "llama2"},
                                         Pair{"phi-3", "phi-3-mini"}, Pair{"qwen2", "qwen2.5"}),
                         [](const auto& tested) {
                           std::string name = tested.param.goldens;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Goldens of the sentencepiece library itself.
void expect_sentencepiece(const char* member, const char* tokenizer_name) {
  VARVE_NEEDS(tokenizer_dir(tokenizer_name));
  const Tokenizer& tokenizer = shared_tokenizer(tokenizer_name);
  const Value goldens =
      json::read_file(test::shared_data("tokenizers/pairs/sentencepiece_goldens.json"), {.keys = 1000});
  const Array& texts = goldens.find("texts")->array();
  const Array& expected = goldens.find(member)->array();
  ASSERT_EQ(texts.size(), expected.size());
  ASSERT_GT(texts.size(), 100u);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<int32_t> ids;
    for (const Value& id : expected[i].array()) ids.push_back(static_cast<int32_t>(id.integer()));
    EXPECT_EQ(encode(tokenizer, texts[i].text()), ids) << i << ": " << texts[i].text();
    EXPECT_EQ(tokenizer.decode(ids), texts[i].text()) << i;
  }
}

TEST(Sentencepiece, Llama2) { expect_sentencepiece("llama2", "llama2"); }
TEST(Sentencepiece, MistralV3) { expect_sentencepiece("mistral_v3", "mistral"); }

TEST(Kinds, ByteWordsEndWithSpaces) {
  VARVE_NEEDS(tokenizer_dir("clip"));
  const Tokenizer& clip = shared_tokenizer("clip");
  const auto ids = encode(clip, "A photo of a cat!", {.add_special = true});
  EXPECT_EQ(ids, (std::vector<int32_t>{49406, 320, 1125, 539, 320, 2368, 256, 49407}));
  EXPECT_EQ(clip.decode(ids, true), "a photo of a cat !");
}

TEST(Kinds, Unigram) {
  VARVE_NEEDS(tokenizer_dir("t5-small"));
  const Tokenizer& t5 = shared_tokenizer("t5-small");
  const std::string text = "Translate English to German: Good morning.";
  const auto ids = encode(t5, text, {.add_special = true});
  EXPECT_EQ(ids.back(), t5.eos_id());
  EXPECT_EQ(t5.decode(ids, true), text);
  EXPECT_EQ(encode(t5, "Good morning"), (std::vector<int32_t>{1804, 1379}));
}

TEST(Kinds, WordPieceNeitherTruncatesNorPads) {
  VARVE_NEEDS(tokenizer_dir("all-MiniLM-L6-v2"));
  const Tokenizer& bert = shared_tokenizer("all-MiniLM-L6-v2");
  EXPECT_EQ(encode(bert, "Hello world", {.add_special = true}), (std::vector<int32_t>{101, 7592, 2088, 102}));
  std::string longer;
  for (int i = 0; i < 500; ++i) longer += "word ";
  EXPECT_EQ(encode(bert, longer).size(), 500u);
  EXPECT_EQ(bert.decode(encode(bert, "Hello, unaffable world")), "hello, unaffable world");
}

TEST(Tokenizer, WhatSurroundsAText) {
  VARVE_NEEDS(tokenizer_dir("llama2"));
  const Tokenizer& tokenizer = shared_tokenizer("llama2");
  const auto plain = encode(tokenizer, "Hi");
  auto marked = plain;
  marked.insert(marked.begin(), 1);
  EXPECT_EQ(encode(tokenizer, "Hi", {.add_special = true}), marked);

  TextAssets assets = load_text_assets(tokenizer_dir("llama2"));
  assets.add_bos = false;
  EXPECT_EQ(encode(Tokenizer::load(assets), "Hi", {.add_special = true}), plain);
  assets.add_bos = true;
  assets.add_eos = true;
  marked.push_back(2);
  EXPECT_EQ(encode(Tokenizer::load(assets), "Hi", {.add_special = true}), marked);
}

TEST(Tokenizer, Pieces) {
  VARVE_NEEDS(tokenizer_dir("llama2"));
  const Tokenizer& tokenizer = shared_tokenizer("llama2");
  EXPECT_EQ(tokenizer.vocab_size(), 32000);
  EXPECT_EQ(tokenizer.piece(15043), "▁Hello");
  EXPECT_EQ(tokenizer.bytes(15043), " Hello");
  EXPECT_EQ(tokenizer.piece(13), "<0x0A>");
  EXPECT_EQ(tokenizer.bytes(13), "\n");
  EXPECT_EQ(tokenizer.bytes(131), "\x80");
  EXPECT_EQ(tokenizer.id("▁Hello"), 15043);
  EXPECT_EQ(tokenizer.id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.piece(32000), "");
  EXPECT_EQ(tokenizer.piece(-1), "");
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{15043, 99999, -5}), "Hello");
  EXPECT_EQ(tokenizer.added_tokens().size(), 3u);
}

TEST(Tokenizer, AddedTokensStandForTheirLiteralText) {
  VARVE_NEEDS(tokenizer_dir("deepseek-llm"));
  // These are letters which the byte alphabet would read as broken bytes.
  const Tokenizer& tokenizer = shared_tokenizer("deepseek-llm");
  EXPECT_EQ(tokenizer.decode(encode(tokenizer, "Führer, Øre, façade")), "Führer, Øre, façade");
  EXPECT_EQ(tokenizer.bytes(*tokenizer.id("ü")), "ü");
}

TEST(Tokenizer, ManyThreadsShareOne) {
  VARVE_NEEDS(tokenizer_dir("t5-small"));
  // Loaded here, so that the threads also race for the copy of the model without control tokens.
  const Tokenizer tokenizer = Tokenizer::load(load_text_assets(tokenizer_dir("t5-small")));
  const ChatTemplate shout = ChatTemplate::compile("{{ text | upper }}", "test");
  const std::string text = "Good </s> morning <extra_id_0>";
  const Tokenizer& reference = shared_tokenizer("t5-small");
  const auto expected = encode(reference, text);
  Table context;
  context.set("text", "quiet");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(tokenizer.encode(text).value(), expected);
        EXPECT_EQ(tokenizer.decode(expected), reference.decode(expected));
        EXPECT_EQ(shout.render(context).value(), "QUIET");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Tokenizer, TextThatIsNoUtf8IsRefused) {
  VARVE_NEEDS(tokenizer_dir("gpt2"));
  const auto result = shared_tokenizer("gpt2").encode("abc\xFF");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "the text is not UTF-8: bad byte at 3");
}

}  // namespace
}  // namespace varve::text
