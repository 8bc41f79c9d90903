// What a grammar made from a JSON schema lets through, by the JSON-Schema-Test-Suite: an instance that the
// schema forbids never passes, and what cannot be held is refused.
#include <gtest/gtest.h>

#include "core/json.h"
#include "text/text_support.h"

namespace varve::text {
namespace {

bool passes(const Constraint& begin, const Tokenizer& tokenizer, const Value& instance) {
  Constraint constraint = begin.fork();
  for (const int32_t id : encode(tokenizer, json::dump(instance)))
    if (!constraint.consume(id)) return false;
  return constraint.is_accepting();
}

class SchemaSuite : public testing::TestWithParam<const char*> {};

TEST_P(SchemaSuite, WhatIsForbiddenNeverPasses) {
  const auto dir = test::shared_data(std::string("schemas/tests/") + GetParam());
  VARVE_NEEDS(dir);
  const Tokenizer& tokenizer = shared_tokenizer("gpt2");
  const Grammars grammars = grammars_for(tokenizer);
  int accepted = 0, refused = 0, passed = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir)) {
    if (file.path().extension() != ".json") continue;
    const Value suite = json::read_file(file.path());
    for (const Value& group : suite.array()) {
      const std::string schema = json::dump(*group.find("schema"));
      const auto compiled = grammars.compile(GrammarKind::json_schema, schema);
      if (!compiled) {
        ++refused;
        EXPECT_GT(compiled.error().message.size(), 20u);  // it says what it cannot hold
        continue;
      }
      ++accepted;
      for (const Value& one : group.find("tests")->array()) {
        if (!passes(compiled.value(), tokenizer, *one.find("data"))) continue;
        ++passed;
        EXPECT_TRUE(one.find("valid")->boolean()) << file.path() << ": " << group.find("description")->text()
                                                  << ": " << one.find("description")->text() << " " << schema;
      }
    }
  }
  EXPECT_GT(accepted, 140);
  EXPECT_GT(passed, 200);
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(Drafts, SchemaSuite, testing::Values("draft2020-12", "draft7"),
                         [](const auto& test) {
                           return std::string(test.param).substr(0, 6) +
                                  (std::string(test.param) == "draft7" ? "" : "2020");
                         });

TEST(SchemaSuiteWords, ARefusalNamesTheKeyword) {
  const Tokenizer& tokenizer = shared_tokenizer("gpt2");
  const Grammars grammars = grammars_for(tokenizer);
  const auto refusal = [&](const char* schema) {
    const auto compiled = grammars.compile(GrammarKind::json_schema, schema);
    return compiled.ok() ? std::string("accepted") : compiled.error().message;
  };
  for (const char* word : {"uniqueItems", "contains", "not", "if", "dependentRequired", "propertyNames"})
    EXPECT_NE(refusal((std::string("{\"") + word + "\": {\"type\": \"string\"}}").c_str()).find(word),
              std::string::npos)
        << word;
  EXPECT_NE(refusal(R"({"type": "string", "format": "no-such"})").find("no-such"), std::string::npos);
}

}  // namespace
}  // namespace varve::text
