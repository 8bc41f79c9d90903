// Grammars for required calls: they compile on real vocabularies, accept what the model writes and nothing
// else, and what they accept the reader reads back.
#include "text/grammar.h"
#include <random>

#include "../text_support.h"
#include "support.h"
#include "text/syntax/tool_grammar.h"

namespace varve::text::syntax {
namespace {

using Thought = GrammarRequest::Thought;

class ToolGrammar : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    VARVE_NEEDS(tokenizer_dir(GetParam()));
    tokenizer_ = &shared_tokenizer(GetParam());
    end_ = end_of(*tokenizer_);
    grammars_ = std::make_unique<Grammars>(grammars_for(*tokenizer_));
  }

  Constraint compile(const SyntaxChoice& choice, GrammarRequest request) {
    request.vocabulary = tokenizer_->added_tokens();
    const auto text = tool_grammar(choice, request);
    check(text.ok(), text.ok() ? "" : text.error().message);
    auto compiled = grammars_->compile(GrammarKind::lark, text.value());
    check(compiled.ok(), (compiled.ok() ? "" : compiled.error().message) + "\n" + text.value());
    return std::move(compiled.value());
  }

  /// The tokens of the text; its markers are control tokens where the vocabulary has them.
  std::vector<int32_t> tokens(const std::string& text) {
    std::vector<int32_t> ids;
    std::string plain;
    for (size_t at = 0; at < text.size();) {
      const AddedToken* marker = nullptr;
      for (const AddedToken& token : tokenizer_->added_tokens()) {
        if (token.control && text.compare(at, token.content.size(), token.content) == 0) marker = &token;
      }
      if (!marker) {
        plain += text[at++];
        continue;
      }
      append_plain(ids, plain);
      plain.clear();
      ids.push_back(marker->id);
      at += marker->content.size();
    }
    append_plain(ids, plain);
    return ids;
  }

  void append_plain(std::vector<int32_t>& ids, const std::string& text) {
    if (text.empty()) return;
    auto more = encode(*tokenizer_, text);
    // The space that sentencepiece puts before a text is no part of it.
    if (text[0] != ' ' && tokenizer_->bytes(more.front()).starts_with(' ')) {
      const std::string rest = tokenizer_->bytes(more.front()).substr(1);
      more.erase(more.begin());
      const auto first = tokenizer_->id(rest);
      const auto begin = first ? std::vector<int32_t>{*first} : encode_bytes(rest);
      more.insert(more.begin(), begin.begin(), begin.end());
    }
    ids.insert(ids.end(), more.begin(), more.end());
  }

  /// Sentencepiece's own sign for a space is one, whatever the text means by it.
  bool can_spell(const std::string& text) { return tokenizer_->decode(tokens(text)) == text; }

  /// One token for each character.
  std::vector<int32_t> encode_bytes(const std::string& text) {
    std::vector<int32_t> ids;
    for (const char c : text) ids.push_back(tokenizer_->id(std::string(1, c)).value());
    return ids;
  }

  /// How much of the text may be written, in tokens; all of them and complete: -1.
  int accepted(Constraint constraint, const std::string& text) {
    int count = 0;
    for (const int32_t id : tokens(text)) {
      if (!constraint.consume(id).ok()) return count;
      ++count;
    }
    return constraint.is_accepting() ? -1 : count;
  }

  std::string spelled(const std::string& text, int count) {
    const auto ids = tokens(text);
    return tokenizer_->decode(std::span(ids).first(static_cast<size_t>(std::max(count, 0))));
  }

  const Tokenizer* tokenizer_ = nullptr;
  std::unique_ptr<Grammars> grammars_;
  int32_t end_ = 0;
};

int calls_in(const Case& one) {
  int count = 0;
  std::istringstream lines(one.expected);
  for (std::string line; std::getline(lines, line);) count += line.starts_with("call ") ? 1 : 0;
  return count;
}

Thought thought_of(const Case& one) {
  if (one.in_thought) return Thought::open;
  return one.expected.starts_with("thought") ? Thought::may : Thought::none;
}

TEST_P(ToolGrammar, AcceptsWhatTheCasesSay) {
  int seen = 0;
  for (const auto& path : case_files()) {
    const CaseFile file = read_cases(path);
    for (const Case& one : file.cases) {
      if (!one.grammar || !can_spell(one.input)) continue;
      SCOPED_TRACE(path.stem().string() + ": " + one.name);
      const GrammarRequest request = {
          .tools = &offered_tools(), .parallel = calls_in(one) > 1, .thought = thought_of(one)};
      const Constraint start = compile(file.choice, request);
      const int count = accepted(start.fork(), one.input);
      EXPECT_EQ(count, -1) << "accepted: " << spelled(one.input, count);
      EXPECT_NE(accepted(start.fork(), "Hello! I will not call anything."), -1);
      ++seen;
    }
  }
  EXPECT_GE(seen, 40);
}

// A grammar for one tool refuses the others; one for a single call refuses a second.
TEST_P(ToolGrammar, HoldsTheNameAndTheNumber) {
  for (const auto& path : case_files()) {
    const CaseFile file = read_cases(path);
    for (const Case& one : file.cases) {
      if (!one.grammar || !can_spell(one.input)) continue;
      SCOPED_TRACE(path.stem().string() + ": " + one.name);
      const Constraint other = compile(
          file.choice,
          {.tools = &offered_tools(), .named = "write_file", .parallel = true, .thought = thought_of(one)});
      EXPECT_NE(accepted(other.fork(), one.input), -1);
      if (calls_in(one) < 2) continue;
      const Constraint single = compile(file.choice, {.tools = &offered_tools(), .thought = thought_of(one)});
      EXPECT_NE(accepted(single.fork(), one.input), -1);
    }
  }
}

// Where the model chooses, text and calls are both accepted, arguments of strict tools held to their schemas.
TEST_P(ToolGrammar, OptionalCallsLetTextThrough) {
  std::vector<Tool> strict = offered_tools().all();
  for (Tool& tool : strict) tool.strict = true;
  const ToolSet tools(strict);
  int seen = 0;
  for (const auto& path : case_files()) {
    const CaseFile file = read_cases(path);
    for (const Case& one : file.cases) {
      if (!one.grammar || !can_spell(one.input)) continue;
      SCOPED_TRACE(path.stem().string() + ": " + one.name);
      const Constraint start = compile(
          file.choice,
          {.tools = &tools, .parallel = calls_in(one) > 1, .optional = true, .thought = thought_of(one)});
      const int count = accepted(start.fork(), one.input);
      EXPECT_EQ(count, -1) << "accepted: " << spelled(one.input, count);
      ++seen;
    }
  }
  EXPECT_GE(seen, 40);
}

TEST_P(ToolGrammar, OptionalCallsHoldStrictArguments) {
  const auto schema = json::parse(R"({"type": "object", "properties": {"n": {"type": "integer"}},
      "required": ["n"], "additionalProperties": false})");
  const ToolSet tools({{.name = "held", .parameters = schema.value(), .strict = true},
                       {.name = "free", .parameters = schema.value()}});
  const SyntaxChoice choice = override_syntax(detect("", {}), "hermes", "none").value();
  const Constraint start =
      compile(choice, {.tools = &tools, .parallel = true, .optional = true, .strict_alone = true});
  const auto call = [](const std::string& name, const std::string& arguments) {
    return "<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": " + arguments + "}\n</tool_call>";
  };
  const auto writes = [&](const std::string& text) { return accepted(start.fork(), text) == -1; };
  EXPECT_TRUE(writes("No tool is needed: 1 < 2 and <tool is no marker."));
  EXPECT_TRUE(writes(call("held", "{\"n\": 1}")));
  EXPECT_TRUE(writes("I look.\n" + call("held", "{\"n\": 1}")));
  EXPECT_TRUE(writes(call("held", "{\"n\": 1}") + "\n" + call("free", "{\"m\": []}")));
  EXPECT_FALSE(writes(call("held", "{\"n\": \"1\"}")));
  EXPECT_FALSE(writes("I look.\n" + call("held", "{}")));
  EXPECT_FALSE(writes(call("other", "{}")));
}

bool allows(const std::vector<uint32_t>& mask, int32_t id) {
  return (mask[static_cast<size_t>(id) / 32] >> (static_cast<size_t>(id) % 32) & 1u) != 0;
}

/// A model without sense: of the tokens that are allowed it takes any, with a liking for those that end
/// something.
class RandomWriter {
 public:
  RandomWriter(const Tokenizer& tokenizer, int32_t end) : tokenizer_(tokenizer), end_(end) {
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      const std::string bytes = tokenizer.bytes(id);
      const auto printable = [](unsigned char c) { return c >= 0x20 && c < 0x7F; };
      if (tokenizer.is_control(id)) continue;
      if (!bytes.empty() && bytes.size() < 6 && std::all_of(bytes.begin(), bytes.end(), printable))
        plain_.push_back(id);
      for (const char* ending : {"\"", "}", "]", ")", "<", "</"}) {
        if (bytes == ending) endings_.push_back(id);
      }
    }
  }

  /// "" when the answer does not come to an end.
  std::string write(Constraint constraint) {
    std::vector<uint32_t> mask(constraint.mask_words());
    std::vector<int32_t> ids;
    while (ids.size() < 200) {
      if (constraint.is_accepting() && (constraint.is_stopped() || random_() % 2 == 0))
        return tokenizer_.decode(ids);
      EXPECT_TRUE(constraint.mask(mask).ok());
      const int32_t id = choose(mask);
      if (id < 0) return tokenizer_.decode(ids);
      EXPECT_TRUE(constraint.consume(id).ok());
      ids.push_back(id);
    }
    return {};
  }

 private:
  int32_t choose(const std::vector<uint32_t>& mask) {
    for (int i = 0; i < 30; ++i) {
      const auto& from = i < 8 ? endings_ : plain_;
      const int32_t id = from[random_() % from.size()];
      if (allows(mask, id)) return id;
    }
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < tokenizer_.vocab_size(); ++id) {
      if (id != end_ && allows(mask, id)) allowed.push_back(id);
    }
    return allowed.empty() ? -1 : allowed[random_() % allowed.size()];
  }

  const Tokenizer& tokenizer_;
  int32_t end_;
  std::vector<int32_t> plain_;
  std::vector<int32_t> endings_;
  std::mt19937 random_{3};
};

// Whatever a grammar lets a model write, the reader takes for complete calls and nothing else.
TEST_P(ToolGrammar, WhatItWritesIsReadBack) {
  RandomWriter writer(*tokenizer_, end_);
  // Tools whose answers end soon, as nothing steers a random writer.
  const ToolSet tools(
      {*offered_tools().find("add"),
       *offered_tools().find("now"),
       {.name = "choose",
        .parameters = json::parse(R"({"type": "object", "properties": {"unit": {"type": "string",
                           "enum": ["celsius", "fahrenheit"]}, "exact": {"type": "boolean"}}, "required": ["exact"],
                           "additionalProperties": false})")
                          .value()}});
  int written = 0;
  for (const ToolSyntax& syntax : tool_syntaxes()) {
    if (syntax.name == "none") continue;
    const SyntaxChoice choice = {.reasoning = detect("", {}).reasoning, .tools = &syntax};
    const Constraint start = compile(choice, {.tools = &tools, .parallel = true});
    for (int i = 0; i < 3; ++i) {
      const std::string text = writer.write(start.fork());
      if (text.empty()) continue;
      SCOPED_TRACE(syntax.name + ": " + text);
      const auto pieces = read_whole(choice, {.tools = &tools}, text);
      expect_well_formed(pieces);
      const std::string shown = show(pieces);
      EXPECT_TRUE(shown.starts_with("call ")) << shown;
      EXPECT_EQ(shown.find("text"), std::string::npos) << shown;
      EXPECT_EQ(shown.find("broken"), std::string::npos) << shown;
      ++written;
    }
  }
  EXPECT_GT(written, 60);
}

TEST_P(ToolGrammar, SchemasHoldInPlainText) {
  const auto tool = [](const char* schema) {
    return ToolSet({{.name = "f", .parameters = json::parse(schema).value()}});
  };
  const SyntaxChoice choice = override_syntax(detect("", {}), "minimax_m2", "none").value();
  const auto writes = [&](const ToolSet& tools, const std::string& parameters) {
    const Constraint start = compile(choice, {.tools = &tools});
    return accepted(start.fork(), "<minimax:tool_call>\n<invoke name=\"f\">" + parameters +
                                      "\n</invoke>\n</minimax:tool_call>") == -1;
  };
  const auto value = [](const std::string& text) {
    return "\n<parameter name=\"x\">" + text + "</parameter>";
  };

  const ToolSet lengths =
      tool(R"({"type": "object", "properties": {"x": {"type": "string", "minLength": 2, "maxLength": 4}},
      "required": ["x"]})");
  EXPECT_TRUE(writes(lengths, value("abc")));
  EXPECT_FALSE(writes(lengths, value("a")));
  EXPECT_FALSE(writes(lengths, value("abcde")));
  EXPECT_FALSE(writes(lengths, "")) << "it is required";

  const ToolSet pattern =
      tool(R"({"type": "object", "properties": {"x": {"type": "string", "pattern": "^[a-z]+/[0-9]{2}$"}}})");
  EXPECT_TRUE(writes(pattern, value("ab/12")));
  EXPECT_FALSE(writes(pattern, value("ab/1")));
  EXPECT_TRUE(writes(pattern, "")) << "it is not required";

  const ToolSet loose =
      tool(R"({"type": "object", "properties": {"x": {"type": "string", "pattern": "b+"}}})");
  EXPECT_TRUE(writes(loose, value("abc")));
  EXPECT_FALSE(writes(loose, value("acc")));

  const ToolSet choices = tool(R"({"type": "object", "properties": {"x": {"enum": ["a b", "c"]}}})");
  EXPECT_TRUE(writes(choices, value("a b")));
  EXPECT_FALSE(writes(choices, value("d")));

  const ToolSet shared =
      tool(R"({"type": "object", "properties": {"x": {"type": "array", "items": {"$ref": "#/$defs/small"}}},
      "$defs": {"small": {"type": "integer", "minimum": 0, "maximum": 9}}})");
  EXPECT_TRUE(writes(shared, value("[1, 2]")));
  EXPECT_FALSE(writes(shared, value("[10]")));
  EXPECT_FALSE(writes(shared, value("1")));
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, ToolGrammar, testing::Values("qwen2.5", "llama3", "mistral"),
                         [](const auto& tested) {
                           return tested.param == "qwen2.5" ? "qwen2_5" : tested.param;
                         });

TEST(ToolGrammarRequests, AreRefusedWithAReason) {
  const SyntaxChoice hermes = detect("<tool_call>", {});
  const ToolSet none;
  EXPECT_FALSE(tool_grammar(hermes, {.tools = &none}).ok());
  const auto unknown = tool_grammar(hermes, {.tools = &offered_tools(), .named = "nope"});
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message.find("\"nope\""), std::string::npos);
  EXPECT_EQ(unknown.error().field, "tool_choice");
  EXPECT_FALSE(tool_grammar(detect("", {}), {.tools = &offered_tools()}).ok()) << "no way to call tools";
}

}  // namespace
}  // namespace varve::text::syntax
