#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include <random>

namespace varve::engine {
namespace {

struct Outcome {
  std::string text;
  std::string found;
  bool operator==(const Outcome&) const = default;
};

/// The definition: the stop string that is complete first, of those the longest.
Outcome reference(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::string found;
    for (const std::string& stop : stops)
      if (text.substr(0, end).ends_with(stop) && stop.size() > found.size()) found = stop;
    if (!found.empty()) return {text.substr(0, end - found.size()), found};
  }
  return {text, ""};
}

Outcome streamed(const std::vector<std::string>& pieces, const std::vector<std::string>& stops) {
  StopStrings matcher(stops);
  Outcome out;
  for (const std::string& piece : pieces) out.text += matcher.push(piece);
  out.text += matcher.finish();
  out.found = matcher.found();
  return out;
}

std::vector<std::string> cut(const std::string& text, const std::vector<size_t>& at) {
  std::vector<std::string> out;
  size_t from = 0;
  for (const size_t to : at) {
    out.push_back(text.substr(from, to - from));
    from = to;
  }
  out.push_back(text.substr(from));
  return out;
}

TEST(StopStrings, EverySplitInTwoAndInThree) {
  const std::string text =
      "The end is near.\n\nUser: \xc3\xa9t\xc3\xa9 END. Not here: </s> or \xf0\x9f\x8c\x8a";
  for (const std::vector<std::string>& stops : {std::vector<std::string>{"\n\nUser:"},
                                                {"END", "</s>"},
                                                {"\xf0\x9f\x8c\x8a"},
                                                {"\xc3\xa9t\xc3\xa9"},
                                                {"nothing of the kind"},
                                                {"near.\n\nUsed", "near.\n"},
                                                {"e"},
                                                {"The"},
                                                {}}) {
    const Outcome wanted = reference(text, stops);
    for (size_t a = 0; a <= text.size(); ++a)
      for (size_t b = a; b <= text.size(); ++b) EXPECT_EQ(streamed(cut(text, {a, b}), stops), wanted);
    std::vector<std::string> bytes;
    for (const char c : text) bytes.emplace_back(1, c);
    EXPECT_EQ(streamed(bytes, stops), wanted);
  }
}

TEST(StopStrings, RandomTextsOfFewLetters) {
  std::mt19937 random(5);
  const auto word = [&](size_t most) {
    std::string out;
    for (size_t n = 1 + random() % most; n > 0; --n) out += static_cast<char>('a' + random() % 2);
    return out;
  };
  int found = 0;
  for (int repeat = 0; repeat < 20000; ++repeat) {
    const std::string text = word(24);
    std::vector<std::string> stops;
    for (size_t n = random() % 4; n > 0; --n) stops.push_back(word(8));
    std::vector<size_t> at;
    for (size_t p = 1; p < text.size(); ++p)
      if (random() % 2) at.push_back(p);
    const Outcome wanted = reference(text, stops);
    ASSERT_EQ(streamed(cut(text, at), stops), wanted) << text;
    found += !wanted.found.empty();
  }
  EXPECT_GT(found, 5000);
}

TEST(StopStrings, HoldBackNoMoreThanMustBe) {
  StopStrings matcher({"stop", "pot"});
  EXPECT_EQ(matcher.push("a top"), "a to");  // "p" may begin "pot"
  EXPECT_EQ(matcher.push("s"), "p");
  EXPECT_EQ(matcher.push("to"), "");
  EXPECT_EQ(matcher.push("o"), "stoo");
  EXPECT_EQ(matcher.push("st"), "");
  EXPECT_EQ(matcher.finish(), "st");
  EXPECT_EQ(matcher.found(), "");
}

TEST(StopStrings, NothingComesAfterTheEnd) {
  StopStrings matcher({"."});
  EXPECT_EQ(matcher.push("one. two"), "one");
  EXPECT_EQ(matcher.push(" three"), "");
  EXPECT_EQ(matcher.finish(), "");
}

}  // namespace
}  // namespace varve::engine
