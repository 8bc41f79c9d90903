// Streams: never half a character, and together the whole text.
#include "text/detokenizer.h"

#include "text_support.h"

namespace varve::text {
namespace {

const std::vector<std::string>& texts() {
  static const std::vector<std::string> kTexts = {"Hello world, how are you?",
                                                  "  two spaces, three   here ",
                                                  "日本語の文章です。",
                                                  "🦙🚀😶‍🌫️ x 🦙",
                                                  "naïve façade Ünïcödé",
                                                  "a\n\n\tb\r\n",
                                                  "កាន់តែពិសេស",
                                                  "\x01\x7F control"};
  return kTexts;
}

/// Whole characters only.
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<uint8_t>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

class Streams : public testing::TestWithParam<std::string> {};

TEST_P(Streams, PiecesMakeTheWholeAtEverySplit) {
  VARVE_NEEDS(tokenizer_dir(GetParam()));
  const Tokenizer& tokenizer = shared_tokenizer(GetParam());
  for (const std::string& text : texts()) {
    const auto ids = encode(tokenizer, text, {.add_special = true});
    for (const bool skip : {false, true}) {
      // The stream is cut after every token: what came so far is the beginning of the whole, and with the
      // rest held back it is the decoding of the tokens so far.
      const std::string whole = tokenizer.decode(ids, skip);
      Detokenizer stream(tokenizer, skip);
      std::string so_far;
      for (size_t i = 0; i < ids.size(); ++i) {
        const std::string piece = stream.push(ids[i]);
        EXPECT_TRUE(is_utf8(piece)) << text << " token " << i;
        so_far += piece;
        EXPECT_EQ(whole.substr(0, so_far.size()), so_far) << text << " token " << i;
        const std::span<const int32_t> head(ids.data(), i + 1);
        EXPECT_EQ(so_far + stream.fork().finish(), tokenizer.decode(head, skip)) << text << " token " << i;
      }
      EXPECT_EQ(so_far + stream.finish(), whole) << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Streams, testing::ValuesIn(tokenizer_names()), [](const auto& tested) {
  std::string name = tested.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
});

TEST(Stream, BrokenBytesDoNotHoldTheStreamUp) {
  VARVE_NEEDS(tokenizer_dir("llama2"));
  const Tokenizer& tokenizer = shared_tokenizer("llama2");
  const auto byte = [](int value) { return value + 3; };  // <0x00> has the id 3
  Detokenizer stream(tokenizer);
  EXPECT_EQ(stream.push(byte(0xE4)), "");
  EXPECT_EQ(stream.push(byte(0xBD)), "");
  EXPECT_EQ(stream.push(15043), "\uFFFD\uFFFD Hello");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(stream.push(byte(0xFF)), "\uFFFD");
  EXPECT_EQ(stream.push(byte(0xC3)), "");
  EXPECT_EQ(stream.push(byte(0xA9)), "é");
  EXPECT_EQ(stream.push(byte(0xC3)), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
}

TEST(Stream, AContinuationKeepsItsSpace) {
  VARVE_NEEDS(tokenizer_dir("llama2"));
  const Tokenizer& tokenizer = shared_tokenizer("llama2");
  Detokenizer answer(tokenizer);
  EXPECT_EQ(answer.push(15043), "Hello");
  Detokenizer continuation(tokenizer);
  continuation.prime(encode(tokenizer, "Once upon"));
  EXPECT_EQ(continuation.push(263), " a");
}

TEST(Stream, UnknownIdsHaveNoText) {
  VARVE_NEEDS(tokenizer_dir("gpt2"));
  Detokenizer stream(shared_tokenizer("gpt2"));
  EXPECT_EQ(stream.push(60000), "");
  EXPECT_EQ(stream.push(15496), "Hello");
}

}  // namespace
}  // namespace varve::text
