// Constrained decoding: answers are driven by a grammar over a real vocabulary.
#include "text/grammar.h"

#include "text_support.h"

namespace varve::text {
namespace {

bool allowed(const std::vector<uint32_t>& mask, int32_t id) {
  return (mask[static_cast<size_t>(id) / 32] >> (static_cast<size_t>(id) % 32) & 1u) != 0;
}

std::vector<uint32_t> mask_of(Constraint& constraint) {
  std::vector<uint32_t> mask(constraint.mask_words());
  EXPECT_TRUE(constraint.mask(mask).ok());
  return mask;
}

class Grammar : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    VARVE_NEEDS(tokenizer_dir(GetParam()));
    tokenizer_ = &shared_tokenizer(GetParam());
    end_ = end_of(*tokenizer_);
    grammars_ = std::make_unique<Grammars>(grammars_for(*tokenizer_, 100));
  }

  Constraint compile(GrammarKind kind, const std::string& text) {
    auto compiled = grammars_->compile(kind, text);
    EXPECT_TRUE(compiled.ok()) << (compiled.ok() ? "" : compiled.error().message);
    return std::move(compiled.value());
  }

  /// Whether the constraint lets this text be written, token by token.
  bool accepts(Constraint constraint, const std::string& text) {
    std::vector<int32_t> ids = encode(*tokenizer_, text);
    // The space that sentencepiece puts before a text is no part of it.
    if (tokenizer_->bytes(ids.front()).front() == ' ') {
      const auto first = tokenizer_->id(tokenizer_->bytes(ids.front()).substr(1));
      ids.erase(ids.begin());
      if (first) ids.insert(ids.begin(), *first);
    }
    for (const int32_t id : ids) {
      const bool in_mask = allowed(mask_of(constraint), id);
      const bool taken = constraint.consume(id).ok();
      EXPECT_EQ(in_mask, taken) << tokenizer_->piece(id);
      if (!taken) return false;
    }
    return constraint.is_accepting();
  }

  const Tokenizer* tokenizer_ = nullptr;
  std::unique_ptr<Grammars> grammars_;
  int32_t end_ = 0;
};

TEST_P(Grammar, JsonSchema) {
  const std::string schema = R"({"type": "object", "properties": {"city": {"type": "string"},
      "days": {"type": "integer", "minimum": 1, "maximum": 7}}, "required": ["city", "days"],
      "additionalProperties": false})";
  const Constraint start = compile(GrammarKind::json_schema, schema);
  EXPECT_TRUE(accepts(start.fork(), R"({"city": "Zürich", "days": 3})"));
  EXPECT_FALSE(accepts(start.fork(), R"({"city": "Zürich", "days": 9})"));
  EXPECT_FALSE(accepts(start.fork(), R"({"days": "x"})"));
  EXPECT_FALSE(accepts(start.fork(), R"({"city": "Zürich")")) << "not complete";
}

TEST_P(Grammar, RegexMaskEndAndRollback) {
  Constraint constraint = compile(GrammarKind::regex, "(yes|no)[!]?");
  const auto first = mask_of(constraint);
  EXPECT_EQ(first.size(), (static_cast<size_t>(tokenizer_->vocab_size()) + 100 + 31) / 32);
  EXPECT_FALSE(allowed(first, end_));
  EXPECT_FALSE(allowed(first, *tokenizer_->id("x")));
  const auto yes = encode(*tokenizer_, "yes");
  const int32_t no = *tokenizer_->id("no");
  EXPECT_TRUE(allowed(first, no));
  EXPECT_FALSE(constraint.consume(*tokenizer_->id("x")).ok());
  EXPECT_TRUE(constraint.consume(no).ok()) << "a refused token changed nothing";
  EXPECT_TRUE(constraint.is_accepting());
  EXPECT_FALSE(constraint.is_stopped());
  EXPECT_TRUE(allowed(mask_of(constraint), end_));
  Constraint other = constraint.fork();
  EXPECT_TRUE(other.consume(*tokenizer_->id("!")).ok());
  EXPECT_TRUE(constraint.rollback(1).ok());
  EXPECT_EQ(mask_of(constraint), first);
  EXPECT_TRUE(other.is_accepting()) << "the fork went its own way";
  EXPECT_TRUE(other.is_stopped()) << "nothing but the end can follow";
  EXPECT_TRUE(other.consume(end_).ok());
  EXPECT_FALSE(other.consume(no).ok());
  EXPECT_TRUE(other.rollback(2).ok());
  EXPECT_FALSE(other.is_stopped());
  EXPECT_TRUE(other.consume(end_).ok()) << "the mask allowed it after \"no\"";
  EXPECT_TRUE(other.is_stopped());
}

TEST_P(Grammar, LarkAndJsonObject) {
  EXPECT_TRUE(accepts(compile(GrammarKind::lark, "start: \"a\" start \"b\" | \"c\""), "aacbb"));
  EXPECT_FALSE(accepts(compile(GrammarKind::lark, "start: \"a\" start \"b\" | \"c\""), "aacb"));
  EXPECT_TRUE(accepts(compile(GrammarKind::json_object, ""), R"({"any": [1, {"x": null}]})"));
  EXPECT_FALSE(accepts(compile(GrammarKind::json_object, ""), "[1]"));
}

TEST_P(Grammar, BadGrammarsAreRefused) {
  const std::string deep(100'000, '(');
  std::string nested = "true";
  for (int i = 0; i < 1000; ++i) nested = R"({"items": )" + nested + "}";
  EXPECT_FALSE(grammars_->compile(GrammarKind::regex, "(unclosed").ok());
  EXPECT_FALSE(grammars_->compile(GrammarKind::regex, deep).ok());
  EXPECT_FALSE(grammars_->compile(GrammarKind::lark, "start: " + deep).ok());
  EXPECT_FALSE(grammars_->compile(GrammarKind::lark, "nothing").ok());
  EXPECT_FALSE(grammars_->compile(GrammarKind::json_schema, "{").ok());
  EXPECT_FALSE(grammars_->compile(GrammarKind::json_schema, nested).ok());
  EXPECT_FALSE(grammars_->compile(GrammarKind::json_schema, R"({"type": "nonsense"})").ok());
  EXPECT_FALSE(grammars_->compile(GrammarKind::regex, std::string(2 << 20, 'a')).ok());
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, Grammar, testing::Values("gpt2", "llama2"),
                         [](const auto& tested) { return tested.param; });

TEST(Grammars, EndTokensMustExist) {
  VARVE_NEEDS(tokenizer_dir("gpt2"));
  const Tokenizer& tokenizer = shared_tokenizer("gpt2");
  EXPECT_THROW(Grammars::create(tokenizer, 50257, {}), LoadError);
  EXPECT_THROW(Grammars::create(tokenizer, 50257, std::vector<int32_t>{60000}), LoadError);
}

}  // namespace
}  // namespace varve::text
