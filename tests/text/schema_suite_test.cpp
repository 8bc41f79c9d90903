// The JSON-Schema-Test-Suite decides which schemas are taken: for each one that is, no instance that the
// suite calls invalid can be written, and what is written at random validates; each one that is not is
// refused by name.
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <regex>
#include <sstream>

#include "schema_validator.h"
#include "text/grammar.h"
#include "text_support.h"

namespace varve::text {
namespace {

struct Group {
  std::string name;
  Draft draft;
  bool beyond_validator;  // it has what the validator of the tests does not know
  Value schema;
  Array tests;
};

bool is_beyond_validator(const std::string& file, const std::string& schema) {
  if (file == "ecmascript-regex.json" || file == "non-bmp-regex.json" || file == "vocabulary.json" ||
      file == "float-overflow.json")
    return true;
  return schema.find("\"format\"") != std::string::npos || schema.find("\\\\p{") != std::string::npos;
}

std::vector<Group> suite() {
  std::vector<Group> groups;
  for (const auto& [folder, draft] :
       {std::pair("draft2020-12", Draft::draft2020), std::pair("draft7", Draft::draft7)}) {
    const auto root = test::shared_data(std::string("schemas/tests/") + folder);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (entry.path().extension() != ".json") continue;
      const std::string file = entry.path().filename().string();
      const Value content = json::read_file(entry.path());
      for (const Value& group : content.array())
        groups.push_back({.name = fmt::format("{}/{}: {}", folder, file, group.find("description")->text()),
                          .draft = draft,
                          .beyond_validator = is_beyond_validator(file, json::dump(*group.find("schema"))),
                          .schema = *group.find("schema"),
                          .tests = group.find("tests")->array()});
    }
  }
  return groups;
}

class SchemaSuite : public testing::Test {
 protected:
  void SetUp() override {
    VARVE_NEEDS(test::shared_data("schemas/tests"));
    VARVE_NEEDS(tokenizer_dir("gpt2"));
    tokenizer_ = &shared_tokenizer("gpt2");
    grammars_ = std::make_unique<Grammars>(grammars_for(*tokenizer_));
  }

  Result<Constraint> compile(const Value& schema) const {
    return grammars_->compile(GrammarKind::json_schema, json::dump(schema));
  }

  bool can_be_written(const Constraint& start, const Value& instance) const {
    Constraint constraint = start.fork();
    for (const int32_t id : encode(*tokenizer_, json::dump(instance)))
      if (!constraint.consume(id).ok()) return false;
    return constraint.is_accepting();
  }

  /// Tokens at random for a while, then whatever ends it soonest. "" when it found no end.
  std::string write(const Constraint& start, uint32_t seed) const {
    constexpr int kFree = 12;
    constexpr int kMost = 400;
    std::mt19937 random(seed);
    Constraint constraint = start.fork();
    std::vector<uint32_t> mask(constraint.mask_words());
    const auto allowed = [&](int32_t id) {
      return (mask[static_cast<size_t>(id) / 32] >> (static_cast<size_t>(id) % 32) & 1u) != 0;
    };
    std::string text;
    for (int step = 0; step < kMost && !constraint.is_stopped(); ++step) {
      if (!constraint.mask(mask).ok()) return {};
      const bool may_end = constraint.is_accepting();
      if (may_end && (step >= kFree || random() % 4 == 0)) return text;
      std::vector<int32_t> choices;
      for (const char* closing : {"\"", "}", "]", "1", "e"}) {
        if (step < kFree || !choices.empty()) break;
        const auto id = tokenizer_->id(closing);
        if (id && allowed(*id)) choices.push_back(*id);
      }
      for (int32_t id = 0; choices.empty() && id < tokenizer_->vocab_size(); ++id)
        if (allowed(id) && id != end_of(*tokenizer_)) candidates_.push_back(id);
      if (choices.empty() && candidates_.empty()) return may_end ? text : std::string();
      const int32_t id = choices.empty() ? candidates_[random() % candidates_.size()] : choices.front();
      candidates_.clear();
      if (!constraint.consume(id).ok()) return {};
      text += tokenizer_->bytes(id);
    }
    return constraint.is_accepting() ? text : std::string();
  }

  const Tokenizer* tokenizer_ = nullptr;
  std::unique_ptr<Grammars> grammars_;
  mutable std::vector<int32_t> candidates_;
};

TEST_F(SchemaSuite, WhatIsTakenIsHeld) {
  size_t taken = 0, written = 0, valid_written = 0, valid = 0;
  for (const Group& group : suite()) {
    const auto compiled = compile(group.schema);
    if (!compiled.ok()) {
      EXPECT_NE(compiled.error().message.find("JSON schema"), std::string::npos) << compiled.error().message;
      continue;
    }
    ++taken;
    for (const Value& one : group.tests) {
      const bool wanted = one.find("valid")->boolean();
      const bool can = can_be_written(compiled.value(), *one.find("data"));
      EXPECT_FALSE(can && !wanted) << group.name << ": " << json::dump(*one.find("data"));
      valid += wanted;
      valid_written += can && wanted;
      if (group.beyond_validator) continue;
      EXPECT_EQ(validates(*one.find("data"), group.schema, group.draft), wanted)
          << "the validator: " << group.name << ": " << json::dump(*one.find("data"));
    }
    if (group.beyond_validator) continue;
    for (uint32_t seed = 0; seed < 4; ++seed) {
      const std::string text = write(compiled.value(), seed);
      if (text.empty()) continue;
      ++written;
      const auto instance = json::parse(text);
      ASSERT_TRUE(instance.ok()) << group.name << ": " << text;
      EXPECT_TRUE(validates(instance.value(), group.schema, group.draft)) << group.name << ": " << text;
    }
  }
  // Members in another order than the schema's and 1.0 for 1 are valid too, but are never written.
  EXPECT_GT(valid_written * 10, valid * 9);
  EXPECT_GE(taken, 390u);
  EXPECT_GE(written, 1000u);
}

TEST_F(SchemaSuite, WhatCannotBeHeldIsRefusedByItsKeywordAndPlace) {
  const auto message = [&](const char* schema) {
    const auto compiled = grammars_->compile(GrammarKind::json_schema, schema);
    return compiled.ok() ? std::string("taken") : compiled.error().message;
  };
  EXPECT_NE(message(R"({"properties": {"a": {"not": {"type": "string"}}}})").find("\"not\" at /properties/a"),
            std::string::npos);
  EXPECT_NE(message(R"({"type": "array", "uniqueItems": true})").find("\"uniqueItems\" at its top"),
            std::string::npos);
  EXPECT_NE(message(R"({"anyOf": [{"if": {}}, true]})").find("\"if\" at /anyOf/0"), std::string::npos);
  EXPECT_NE(message(R"({"$ref": "other.json"})").find("\"$ref\" to \"other.json\""), std::string::npos);
  EXPECT_NE(message(R"({"oneOf": [{"type": "integer"}, {"minimum": 2}]})").find("use \"anyOf\""),
            std::string::npos);
  EXPECT_NE(message(R"({"type": "string", "format": "regex"})").find("regex"), std::string::npos);
  EXPECT_NE(message(R"({"x-guidance": {"coerce_one_of": true}})").find("\"x-guidance\""), std::string::npos);
  EXPECT_NE(message(R"({"type": "integer", "minimum": 1e20})").find("\"minimum\" beyond 2^53"),
            std::string::npos);
  EXPECT_NE(message(R"({"$ref": "#/components/a", "components": {"a": {"not": {}}}})").find("\"$ref\" to"),
            std::string::npos);
  EXPECT_NE(message(R"({"$ref": "#"})"), "taken");
  EXPECT_FALSE(grammars_->compile(GrammarKind::lark, "start: start").ok());
  // A property that is called like a keyword is none.
  EXPECT_EQ(message(R"({"type": "object", "properties": {"not": {"type": "null"}}})"), "taken");
  EXPECT_EQ(message(R"({"type": "object", "properties": {"a": {"enum": [{"if": 1}]}}})"), "taken");
  EXPECT_EQ(message(R"({"type": "array", "uniqueItems": false})"), "taken");
}

// A model that likes blanks comes to an end all the same.
TEST_F(SchemaSuite, WhiteSpaceEnds) {
  const auto compiled = compile(json::parse(R"({"type": "object"})").value());
  ASSERT_TRUE(compiled.ok());
  Constraint constraint = compiled.value().fork();
  const auto blank = tokenizer_->id(" ");
  ASSERT_TRUE(constraint.consume(tokenizer_->id("{").value()).ok());
  int blanks = 0;
  while (blanks < 1000 && constraint.consume(blank.value_or(220)).ok()) ++blanks;
  EXPECT_EQ(blanks, 64);
}

// The page's table of keywords says the same.
TEST_F(SchemaSuite, ThePageNamesWhatIsRefused) {
  std::istringstream page(read_text(test::source_dir() / "docs/structured-output.md", 1 << 20));
  int seen = 0;
  for (std::string line; std::getline(page, line);) {
    const size_t column = line.find(" | ", 2);
    if (!line.starts_with("| ") || column == std::string::npos) continue;
    const std::regex word("`([$A-Za-z]+)`");
    for (std::sregex_iterator at(line.begin() + static_cast<std::ptrdiff_t>(column), line.end(), word), end;
         at != end; ++at) {
      const std::string keyword = (*at)[1];
      if (keyword == "oneOf" || keyword == "$ref") continue;  // only some are refused
      Table schema;
      schema.set(keyword, keyword == "uniqueItems" ? Value(true) : Value(Table()));
      if (keyword == "unevaluatedProperties" || keyword == "unevaluatedItems" || keyword == "propertyNames")
        schema.set(keyword, false);
      const auto compiled = compile(Value(std::move(schema)));
      ASSERT_FALSE(compiled.ok()) << keyword;
      EXPECT_NE(compiled.error().message.find("\"" + keyword + "\""), std::string::npos)
          << compiled.error().message;
      ++seen;
    }
  }
  EXPECT_EQ(seen, 19);
}

TEST_F(SchemaSuite, SchemasInsideAGrammarAreHeldAlike) {
  const auto lark = [&](const std::string& schema) {
    return grammars_->compile(GrammarKind::lark, "start: \"x=\" value\nvalue: %json " + schema + "\n");
  };
  const auto refused = lark(R"({"not": {}})");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("\"not\""), std::string::npos);
  auto dates = lark(R"({"type": "string", "format": "date"})");
  ASSERT_TRUE(dates.ok());
  const auto can = [&](const std::string& text) {
    Constraint constraint = dates.value().fork();
    for (const int32_t id : encode(*tokenizer_, text))
      if (!constraint.consume(id).ok()) return false;
    return constraint.is_accepting();
  };
  EXPECT_TRUE(can("x=\"2024-02-29\""));
  EXPECT_FALSE(can("x=\"2023-02-29\""));
}

}  // namespace
}  // namespace varve::text
