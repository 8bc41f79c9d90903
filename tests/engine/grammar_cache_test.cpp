// Compiled grammars: once each, from any thread, bounded.
#include "engine/grammar_cache.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/script_model.h"
#include "text/tokenizer.h"

namespace varve::engine {
namespace {

class GrammarCacheTest : public testing::Test {
 protected:
  GrammarCacheTest()
      : tokenizer_(text::Tokenizer::load(test::byte_assets({{"<end>"}}, ""))),
        cache_(&tokenizer_, 257, {256}) {}
  text::Tokenizer tokenizer_;
  GrammarCache cache_;
};

TEST_F(GrammarCacheTest, EachUseIsACopyAtTheBeginning) {
  for (int round = 0; round < 3; ++round) {
    auto got = cache_.get(text::GrammarKind::regex, "ab");
    ASSERT_TRUE(got.ok());
    EXPECT_TRUE(got.value().consume('a').ok());
    EXPECT_FALSE(got.value().consume('a').ok());
    EXPECT_TRUE(got.value().consume('b').ok());
    EXPECT_TRUE(got.value().is_stopped());
  }
  // The same text of another kind is another grammar.
  EXPECT_FALSE(cache_.get(text::GrammarKind::lark, "ab").ok());
}

TEST_F(GrammarCacheTest, FromManyThreadsAndFarMoreThanItHolds) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 120; ++i) {
        const std::string text =
            std::string(1, static_cast<char>('a' + (i * 7 + t) % 26)) + std::to_string(i % 5);
        auto got = cache_.get(text::GrammarKind::regex, text);
        ASSERT_TRUE(got.ok());
        EXPECT_TRUE(got.value().consume(text[0]).ok());
        EXPECT_TRUE(got.value().consume(text[1]).ok());
        EXPECT_TRUE(got.value().is_stopped());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(GrammarCacheTest, WhatCannotBeIsRefused) {
  EXPECT_EQ(cache_.get(text::GrammarKind::regex, "(").error().field, "grammar");
  const auto large = cache_.get(text::GrammarKind::regex, std::string(kMaxGrammarBytes + 1, 'a'));
  EXPECT_NE(large.error().message.find("1048576"), std::string::npos);
  GrammarCache endless(&tokenizer_, 257, {});
  EXPECT_NE(endless.get(text::GrammarKind::json_object, "").error().message.find("ends an answer"),
            std::string::npos);
  GrammarCache none(nullptr, 257, {256});
  EXPECT_NE(none.get(text::GrammarKind::json_object, "").error().message.find("tokenizer"),
            std::string::npos);
}

}  // namespace
}  // namespace varve::engine
