#include "core/value.h"

#include <gtest/gtest.h>
#include <chrono>
#include <cmath>

#include <limits>

#include "core/json.h"
#include "core/toml.h"

namespace varve {
namespace {

TEST(Json, KeepsOrderAndKinds) {
  const auto parsed =
      json::parse(R"({"b": 1, "a": [true, null, 2.5, "x"], "c": {"d": 18446744073709551615}})");
  ASSERT_TRUE(parsed.ok());
  const Value& v = parsed.value();
  EXPECT_EQ(v.table().keys(), (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_EQ(v.find("b")->integer(), 1);
  EXPECT_TRUE(v.find("a")->array()[1].is_null());
  EXPECT_DOUBLE_EQ(v.find_path("c.d")->number(), 18446744073709551615.0);
  EXPECT_DOUBLE_EQ(v.find_path("a.2")->number(), 2.5);
  EXPECT_EQ(v.find_path("a.4"), nullptr);
  EXPECT_EQ(v.find_path("a.x"), nullptr);
  EXPECT_EQ(json::dump(v), R"({"b":1,"a":[true,null,2.5,"x"],"c":{"d":1.8446744073709552e+19}})");
}

TEST(Json, RefusesDuplicatesDepthAndRubbish) {
  EXPECT_NE(json::parse(R"({"a":1,"a":2})").error().message.find("stands twice"), std::string::npos);
  EXPECT_FALSE(json::parse(std::string(100, '[') + std::string(100, ']')).ok());
  EXPECT_TRUE(json::parse(std::string(60, '[') + std::string(60, ']')).ok());
  EXPECT_FALSE(json::parse("{\"a\": }").ok());
  EXPECT_FALSE(json::parse("").ok());
  EXPECT_FALSE(json::parse("\"\xff\"").ok());
}

TEST(Json, WritesATableOfAVocabularysSizeInLinearTime) {
  Table table;
  for (int i = 0; i < 200'000; ++i) table.append("token " + std::to_string(i), i);
  const auto begin = std::chrono::steady_clock::now();
  const std::string text = json::dump(Value(std::move(table)));
  // Looking for a twin of every member takes a minute; this takes a fraction of a second.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_TRUE(text.starts_with("{\"token 0\":0,\"token 1\":1,")) << text.substr(0, 100);
}

TEST(Json, ReadsPythonsInfinity) {
  const auto parsed =
      json::parse(R"({"limit": [0.0, Infinity], "text": "Infinity", "low": -Infinity, "n": NaN})");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed.value().find("limit")->array()[1].number(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(parsed.value().find("low")->number(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(parsed.value().find("text")->text(), "Infinity");
  EXPECT_TRUE(std::isnan(parsed.value().find("n")->number()));
  // An object of that shape is one: only files of checkpoints mean a number by it.
  EXPECT_TRUE(json::parse(R"({"limit": {"__float__": "Infinity"}})").value().find("limit")->is_table());
}

TEST(Toml, RefusesAKeyOfTooManyParts) {
  std::string text = "a";
  for (int i = 0; i < 100'000; ++i) text += ".a";
  EXPECT_THROW(toml::parse(text + " = 1", "family.toml"), LoadError);
  EXPECT_NO_THROW(toml::parse("a.b.c.d = 1.5\nt = \"... and so on .....\"", "family.toml"));
}

TEST(Toml, KeepsOrderAndLines) {
  const Value v = toml::parse("z = 1\n[b]\nq = \"x\"\na = [1, 2]\n[a]\nk = true\n", "t.toml");
  EXPECT_EQ(v.table().keys(), (std::vector<std::string>{"z", "b", "a"}));
  EXPECT_EQ(v.find_path("b")->table().keys(), (std::vector<std::string>{"q", "a"}));
  EXPECT_EQ(v.find_path("b.a")->line(), 4);
}

TEST(Toml, NamesTheLine) {
  try {
    toml::parse("a = 1\nb = = 2\n", "family.toml");
    FAIL() << "must be refused";
  } catch (const LoadError& e) {
    EXPECT_NE(std::string(e.what()).find("family.toml:2"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace varve
