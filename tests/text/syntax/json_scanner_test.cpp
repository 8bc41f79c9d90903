// One JSON value from text in pieces: valid JSON unchanged, the usual mistakes put right, the rest refused.
#include "text/syntax/json_scanner.h"

#include "core/json.h"
#include "support.h"

namespace varve::text::syntax {
namespace {

/// "VALUE|rest" when a value was read, "!WRITTEN|rest" when it broke, "...WRITTEN" when more is needed.
std::string scan_cut(std::string_view text, size_t cut, bool last, std::string_view quote = {}) {
  JsonScanner scanner(quote);
  std::string out;
  std::string pending(text.substr(0, cut));
  JsonScanner::Step step = scanner.scan(pending, last && cut == text.size(), out);
  if (step.status == JsonScanner::Status::more && cut < text.size()) {
    pending = pending.substr(step.used) + std::string(text.substr(cut));
    step = scanner.scan(pending, last, out);
  } else if (cut < text.size()) {
    pending += text.substr(cut);
  }
  const std::string rest = "|" + pending.substr(step.used);
  if (step.status == JsonScanner::Status::done) return out + rest;
  return step.status == JsonScanner::Status::failed ? "!" + out + rest : "..." + out;
}

std::string scan(std::string_view text, bool last = true, std::string_view quote = {}) {
  const std::string whole = scan_cut(text, text.size(), last, quote);
  for (size_t cut = 0; cut < text.size(); ++cut)
    EXPECT_EQ(scan_cut(text, cut, last, quote), whole) << text << " cut at " << cut;
  return whole;
}

TEST(JsonScanner, ValidJsonComesOutByteForByte) {
  for (const std::string text :
       {R"({"a": [1, -2.5e+3, true, null], "b" : {"c":"x\n\u00e9\ud83d\ude00 {}[]\"'"} })", R"({})", "[ ]",
        R"("Zürich 🌦")", "{\n  \"a\": 1,\n  \"b\": 2\n}"}) {
    EXPECT_EQ(scan(text + "rest"), text + "|rest");
    EXPECT_TRUE(json::parse(text).ok());
  }
}

TEST(JsonScanner, NumbersAndWordsEndAtWhatFollows) {
  EXPECT_EQ(scan("12,"), "12|,");
  EXPECT_EQ(scan("12", false), "...");
  EXPECT_EQ(scan("12"), "12|");
  EXPECT_EQ(scan("true)"), "true|)");
  for (const char* wrong : {"01", "1.", "-", ".5", "1e", "tru", "nil", "+1", "--1"}) {
    EXPECT_EQ(scan(wrong), std::string("!|") + wrong);
  }
}

TEST(JsonScanner, CommonMistakesArePutRight) {
  EXPECT_EQ(scan(R"({'a': 'it\'s "x"', 'b': True, 'c': None, 'd': (1, 2,)})"),
            R"({"a": "it's \"x\"", "b": true, "c": null, "d": [1, 2]}|)");
  EXPECT_EQ(scan("{\"a\": \"one\ntwo\tx\"}"), R"({"a": "one\ntwo\tx"}|)");
  EXPECT_EQ(scan(R"({"re": "\d+\.\x41"})"), R"({"re": "\\d+\\.\\x41"}|)");
  EXPECT_EQ(scan(R"({"a": [1, 2, ], })"), R"({"a": [1, 2]}|)");
  EXPECT_EQ(scan("{a: 1, b_c: {}}"), R"({"a": 1, "b_c": {}}|)");
  EXPECT_EQ(scan(R"(["\ud83d", "\ude00x", "\u12", "\uzz"])"), R"(["\ufffd", "\ufffdx", "\\u12", "\\uzz"]|)");
  EXPECT_EQ(scan("[NaN]"), "[null]|");
  EXPECT_EQ(scan("[1e999, -1e999, 1e-999]"), "[1.7976931348623157e308, -1.7976931348623157e308, 1e-999]|");
}

TEST(JsonScanner, WhatHasNoMeaningIsRefusedWhereItBegins) {
  EXPECT_EQ(scan(R"({"a": oops})"), R"(!{"a": |oops})");
  EXPECT_EQ(scan(R"({"a" 1})"), R"(!{"a" |1})");
  EXPECT_EQ(scan(R"({"a": "say "hi""})"), R"(!{"a": "say "|hi""})");
  EXPECT_EQ(scan(R"([1 2])"), "![1 |2]");
  EXPECT_EQ(scan("[1}"), "![1|}");
  EXPECT_EQ(scan("{,}"), "!{|,}");
  EXPECT_EQ(scan(R"({"a": 1, "a": 2})"), R"(!{"a": 1, "a|": 2})");
  EXPECT_EQ(scan(R"({"a": 1, "\u0061": 2})"), R"(!{"a": 1, "\u0061|": 2})");
  EXPECT_EQ(scan(R"({"a": "x)"), R"(!{"a": "x|)");
  const std::string deep(100, '[');
  EXPECT_EQ(scan(deep), "!" + std::string(48, '[') + "|" + std::string(52, '['));
}

TEST(JsonScanner, FurtherQuotesHoldAnything) {
  constexpr std::string_view kQuote = "<|\"|>";
  EXPECT_EQ(scan("{a:<|\"|>x \"y\" \\n <|\n<|\"|>,b:[<|\"|><|\"|>]}", true, kQuote),
            R"({"a":"x \"y\" \\n <|\n","b":[""]}|)");
  EXPECT_EQ(scan("{a:<|\"|>x", false, kQuote), R"(...{"a":"x)");
}

TEST(JsonScanner, LongRunsOfSpaceAreNotHeldBack) {
  const std::string spaces(300, ' ');
  EXPECT_EQ(scan("[1," + spaces + "2]"), "[1," + spaces + "2]|");
  EXPECT_EQ(scan("[1," + std::string(20, ' ') + "]"), "[1]|");
}

TEST(JsonScanner, AsJsonTakesOneValueAlone) {
  EXPECT_EQ(as_json(" {'a': 1} "), R"({"a": 1})");
  EXPECT_EQ(as_json("{} {}"), "");
  EXPECT_EQ(as_json(""), "");
  EXPECT_EQ(as_json("plain"), "");
}

}  // namespace
}  // namespace varve::text::syntax
