// What holds for any answer: nothing lost, nothing held back for long, no time lost on long ones.
#include <ctime>
#include <random>

#include "support.h"

namespace varve::text::syntax {
namespace {

const ReasoningSyntax& reasoning_named(std::string_view name) {
  return *override_syntax(detect("", {}), "", name).value().reasoning;
}

/// Every tool syntax with a way of thinking that goes with it.
std::vector<SyntaxChoice> choices() {
  std::vector<SyntaxChoice> all;
  for (const ToolSyntax& tools : tool_syntaxes()) {
    all.push_back({.reasoning = &reasoning_named("think"), .tools = &tools});
  }
  for (const ReasoningSyntax& reasoning : reasoning_syntaxes()) {
    all.push_back({.reasoning = &reasoning, .tools = detect("<tool_call>", {}).tools});
  }
  return all;
}

std::string opener_of(const ToolSyntax& syntax) {
  return syntax.openers.empty() ? "<|channel|>commentary to=functions.write_file<|message|>"
                                : syntax.openers.front().text;
}

/// Parts of answers, whole and broken, that meet in ways nobody planned.
std::vector<std::string> fragments(const SyntaxChoice& choice) {
  std::vector<std::string> parts = {"{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": [2]}}",
                                    "{\"name\": \"now\"",
                                    "}",
                                    "]",
                                    "[",
                                    ", ",
                                    "\n",
                                    "  ",
                                    "text ",
                                    "Zürich 🌦",
                                    "<",
                                    "now",
                                    "add(a=1, b='x')",
                                    "now()",
                                    "\"",
                                    "'",
                                    "\\",
                                    "\\u00",
                                    "{",
                                    "{\"a\": ",
                                    "\"query\"",
                                    ":",
                                    "write_file",
                                    "functions.now:0",
                                    "<function=add>",
                                    "<parameter=a>",
                                    "1",
                                    "</parameter>",
                                    "</function>",
                                    "</tool_call>",
                                    "<arg_key>a</arg_key>",
                                    "<arg_value>",
                                    "</arg_value>",
                                    "call:add{a:<|\"|>x<|\"|>}",
                                    ">>>",
                                    "all\n",
                                    "```",
                                    "```json",
                                    "<|start|>assistant",
                                    "<|message|>",
                                    "<|end|>",
                                    "null",
                                    "True",
                                    "-1.5e3"};
  for (const Opener& opener : choice.tools->openers) parts.push_back(opener.text);
  for (const std::string& marker : choice.shown_tokens()) parts.push_back(marker);
  for (const std::string& shown : choice.tools->shown) parts.push_back(shown.substr(0, shown.size() / 2));
  return parts;
}

std::string random_answer(const std::vector<std::string>& parts, std::mt19937& random) {
  std::string text;
  for (size_t i = random() % 24; i > 0; --i) text += parts[random() % parts.size()];
  return text;
}

std::string text_of(const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) {
    if (const auto* said = std::get_if<TextPiece>(&piece)) text += said->text;
  }
  return text;
}

bool has_call(const std::vector<Piece>& pieces) {
  return std::any_of(pieces.begin(), pieces.end(),
                     [](const Piece& p) { return std::holds_alternative<ToolStartPiece>(p); });
}

TEST(SyntaxProperties, AnyMixtureIsReadTheSameHoweverItIsCut) {
  std::mt19937 random(7);
  for (const SyntaxChoice& choice : choices()) {
    const std::vector<std::string> parts = fragments(choice);
    for (int i = 0; i < 150; ++i) {
      const std::string text = random_answer(parts, random);
      const ReadOptions options = {.tools = &offered_tools(),
                                   .only_offered = random() % 4 != 0,
                                   .stream_arguments = random() % 2 == 0,
                                   .in_thought = random() % 4 == 0};
      SCOPED_TRACE(choice.tools->name + " " + choice.reasoning->name + ": " + json::dump(text));
      const auto whole = read_whole(choice, options, text);
      expect_well_formed(whole);
      std::vector<size_t> every(text.size());
      for (size_t at = 0; at < text.size(); ++at) every[at] = at;
      ASSERT_EQ(show(read_cut(choice, options, text, every)), show(whole));
      std::vector<size_t> some;
      std::sample(every.begin(), every.end(), std::back_inserter(some), 5, random);
      ASSERT_EQ(show(read_cut(choice, options, text, some)), show(whole));
    }
  }
}

TEST(SyntaxProperties, WithoutToolsAndThoughtsEveryByteIsText) {
  std::mt19937 random(8);
  for (const ToolSyntax& tools : tool_syntaxes()) {
    if (tools.openers.empty()) continue;  // channels are markers in any case
    const SyntaxChoice choice = {.reasoning = &reasoning_named("none"), .tools = &tools};
    for (int i = 0; i < 50; ++i) {
      const std::string text = random_answer(fragments(choice), random);
      EXPECT_EQ(text_of(read_whole(choice, {}, text)), text) << tools.name;
    }
  }
}

TEST(SyntaxProperties, WhatIsNoCallIsTextToTheLastByte) {
  std::mt19937 random(9);
  int compared = 0;
  for (const ToolSyntax& tools : tool_syntaxes()) {
    if (tools.openers.empty() || tools.begins_open) continue;
    const SyntaxChoice choice = {.reasoning = &reasoning_named("none"), .tools = &tools};
    for (int i = 0; i < 100; ++i) {
      const std::string text = random_answer(fragments(choice), random);
      const auto pieces = read_whole(choice, {.tools = &offered_tools(), .stream_arguments = false}, text);
      if (has_call(pieces)) continue;
      EXPECT_EQ(text_of(pieces), text) << tools.name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 1000);
}

/// CPU seconds to read `text` byte by byte.
double seconds_for(const SyntaxChoice& choice, std::string_view text, bool streaming) {
  const auto reader = make_reader(choice, {.tools = &offered_tools(), .stream_arguments = streaming});
  std::vector<Piece> out;
  const std::clock_t begin = std::clock();
  for (size_t at = 0; at < text.size(); ++at) {
    out.clear();
    reader->push(text.substr(at, 1), out);
  }
  reader->finish(out);
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

std::string repeated(std::string_view part, size_t size) {
  std::string text;
  while (text.size() < size) text += part;
  return text;
}

/// Answers of about `size` bytes that a careless reader looks at again and again.
std::vector<std::string> wearisome(const ToolSyntax& tools, size_t size) {
  const std::string open = opener_of(tools);
  const std::string call = open + "{\"name\": \"write_file\", \"arguments\": {\"path\": ";
  const std::string tags = open + "<function=write_file><parameter=content>";
  std::vector<std::string> texts;
  for (const std::string part : {"<", "a", "\n", " ", "[", "{", "}", ",", "`", "now", open.c_str()}) {
    texts.push_back(open + repeated(part, size));
    texts.push_back(call + "\"" + repeated(part, size));
    texts.push_back(call + "1" + repeated(part, size));
    texts.push_back(tags + repeated(part, size));
    texts.push_back(open + "now()" + repeated(part, size));
    texts.push_back(open + "{\"name\": \"now\", \"arguments\": {}}" + repeated(part, size));
  }
  texts.push_back(call + "[1," + repeated(" ", size));
  texts.push_back(tags + repeated("</parameter>", size));
  texts.push_back(tags + repeated("</parameter>\n", size));
  texts.push_back(tags + "</parameter>" + repeated("\n", size));
  texts.push_back(open + "search(limit=" + repeated("1", size));
  return texts;
}

TEST(SyntaxProperties, TimeGrowsWithTheLengthAlone) {
  for (const char* name : {"hermes", "qwen3_coder", "mistral_args", "kimi_k2", "pythonic", "gemma4",
                           "harmony", "json", "glm4"}) {
    const SyntaxChoice choice = override_syntax(detect("", {}), name, "think").value();
    const auto shorter = wearisome(*choice.tools, 8'000);
    const auto longer = wearisome(*choice.tools, 64'000);
    for (size_t i = 0; i < shorter.size(); ++i) {
      const double once = seconds_for(choice, shorter[i], i % 2 == 0);
      const double eight_times = seconds_for(choice, longer[i], i % 2 == 0);
      // Quadratic would be 64 times as long; short times are the clock's noise.
      if (eight_times < 0.25) continue;
      EXPECT_LT(eight_times, 24 * once) << name << ": " << shorter[i].substr(0, 90);
    }
  }
}

/// How far what is told lags behind what was written, at most.
size_t longest_lag(const SyntaxChoice& choice, std::string_view text) {
  const auto reader = make_reader(choice, {.tools = &offered_tools()});
  size_t told = 0;
  size_t lag = 0;
  std::vector<Piece> out;
  for (size_t at = 0; at < text.size(); ++at) {
    out.clear();
    reader->push(text.substr(at, 1), out);
    for (const Piece& piece : out) {
      if (const auto* said = std::get_if<TextPiece>(&piece)) told += said->text.size();
      if (const auto* thought = std::get_if<ReasoningPiece>(&piece)) told += thought->text.size();
      if (const auto* arguments = std::get_if<ToolArgumentsPiece>(&piece))
        told += arguments->json_delta.size();
    }
    lag = std::max(lag, at + 1 - std::min(told, at + 1));
  }
  return lag;
}

TEST(SyntaxProperties, WhatCanBeSaidIsSaidAtOnce) {
  for (const SyntaxChoice& choice : choices()) {
    const std::string open = opener_of(*choice.tools);
    for (const std::string& text :
         {repeated("word < word ", 5000), open + repeated("x", 5000), open + repeated("x y\n", 5000),
          open + "{\"name\": \"" + repeated("Zürich", 5000), open + "{\"" + repeated("Zürich", 5000)}) {
      EXPECT_LT(longest_lag(choice, text), 600u)
          << choice.tools->name << " " << choice.reasoning->name << text.substr(0, 60);
    }
    // Other members of a call, which mean nothing but are no mistake.
    EXPECT_LT(longest_lag(choice, open + "{\"thoughts\": \"" + repeated("Zürich", 20'000)), 4300u)
        << choice.tools->name;
  }
}

TEST(SyntaxProperties, ArgumentsAreToldWhileTheyAreWritten) {
  const std::string words = repeated("word ", 5000);
  const std::vector<std::pair<std::string, std::string>> answers = {
      {"hermes", R"(<tool_call>{"name": "write_file", "arguments": {"path": "a", "content": ")"},
      {"qwen3_coder", "<tool_call><function=write_file><parameter=content>"},
      {"glm4", "<tool_call>write_file\n<arg_key>content</arg_key><arg_value>"},
      {"pythonic", "[write_file(content='"},
      {"kimi_k2",
       R"(<|tool_calls_section_begin|><|tool_call_begin|>functions.write_file:0<|tool_call_argument_begin|>{"content": ")"},
      {"harmony", R"(<|channel|>commentary to=functions.write_file<|message|>{"content": ")"},
      {"gemma4", R"(<|tool_call>call:write_file{content:<|"|>)"}};
  for (const auto& [name, begin] : answers) {
    const SyntaxChoice choice = override_syntax(detect("", {}), name, "none").value();
    EXPECT_LT(longest_lag(choice, begin + words), begin.size() + 60) << name;
  }
}

TEST(SyntaxProperties, NamesThatAreNotNamesAreNeverTaken) {
  const SyntaxChoice choice = override_syntax(detect("", {}), "hermes", "none").value();
  for (const std::string name : {"", "a b", "a<b", "a\\nb", "a\\\"b"}) {
    const std::string text = "<tool_call>{\"name\": \"" + name + "\", \"arguments\": {}}</tool_call>";
    EXPECT_EQ(text_of(read_whole(choice, {.only_offered = false}, text)), text);
  }
}

}  // namespace
}  // namespace varve::text::syntax
