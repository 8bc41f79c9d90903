// Bodies of tests/cases/http: what each asks of the engine, or why it is refused.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/json.h"
#include "http/anthropic_messages.h"
#include "http/openai_chat.h"
#include "http/openai_completions.h"
#include "protocol_support.h"
#include "support/data.h"

namespace varve::http {

namespace {

using Decode = Result<Call> (*)(const Value&, const Headers&, const ServedModel&);

void run(const std::string& file, Decode decode) {
  const Value cases = json::read_file(test::source_dir() / "tests/cases/http" / file);
  ASSERT_FALSE(cases.array().empty());
  for (const Value& one : cases.array()) {
    SCOPED_TRACE(file + ": " + one.find("name")->text());
    const Result<Call> call = decode(*one.find("body"), NoHeaders(), bare_model());
    if (const Value* refused = one.find("refused")) {
      ASSERT_FALSE(call.ok()) << "was not refused";
      EXPECT_EQ(call.error().field, refused->find("field")->text()) << call.error().message;
      EXPECT_NE(call.error().message.find(refused->find("says")->text()), std::string::npos)
          << call.error().message;
      continue;
    }
    ASSERT_TRUE(call.ok()) << call.error().field << ": " << call.error().message;
    const Value* count = one.find("requests");
    ASSERT_EQ(call.value().requests.size(), count ? static_cast<size_t>(count->integer()) : 1);
    ASSERT_NE(call.value().encoder, nullptr);
    std::string where;
    EXPECT_TRUE(contains(described(call.value().requests[0]), *one.find("request"), where)) << where;
  }
}

}  // namespace

TEST(Decode, ChatCompletions) { run("openai_chat.json", openai_chat_decode); }
TEST(Decode, Completions) { run("openai_completions.json", openai_completions_decode); }
TEST(Decode, Messages) { run("anthropic_messages.json", anthropic_messages_decode); }

TEST(Decode, CountsThePromptOfTheSameMessage) {
  const Value body = parsed(R"({"model": "x", "system": "s", "messages": [{"role": "user", "content": "Hi"}],
      "tools": [{"name": "f", "input_schema": {"type": "object"}}], "thinking": {"type": "adaptive"}})");
  const auto counted = anthropic_count_decode(body, NoHeaders(), bare_model());
  ASSERT_TRUE(counted.ok()) << counted.error().message;
  const auto call = anthropic_messages_decode(body, NoHeaders(), bare_model());
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(*described(counted.value()).find("prompt"), *described(call.value().requests[0]).find("prompt"));
  EXPECT_EQ(anthropic_count_body(17), R"({"input_tokens":17})");
  const auto refused =
      anthropic_count_decode(parsed(R"({"messages": [], "stream": true})"), NoHeaders(), bare_model());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().field, "stream");
}

// No number is taken as another than it is: NaN and infinity have words in some JSON dialects.
TEST(Decode, NumbersAreFinite) {
  for (const char* number : {"NaN", "Infinity", "-Infinity", "1e400", "-1e400"}) {
    const std::string body = R"({"messages": [{"role": "user", "content": "Hi"}], "temperature": )" +
                             std::string(number) + R"(, "logit_bias": {"1": 1}})";
    const Result<Value> value = json::parse(body);
    if (!value.ok()) continue;  // the reader of JSON does not take it
    const auto call = openai_chat_decode(value.value(), NoHeaders(), bare_model());
    ASSERT_FALSE(call.ok()) << number;
    EXPECT_EQ(call.error().field, "temperature");
  }
}

TEST(Decode, ListsAreCapped) {
  const auto refused_field = [](Table body, Decode decode) {
    const auto call = decode(Value(std::move(body)), NoHeaders(), bare_model());
    return call.ok() ? "taken" : call.error().field;
  };
  const Value messages = *parsed(R"({"m": [{"role": "user", "content": "Hi"}]})").find("m");
  Table biases;
  for (int i = 0; i < 4097; ++i) biases.append(std::to_string(i), Value(1));
  Table body;
  body.set("messages", messages);
  body.set("logit_bias", Value(std::move(biases)));
  EXPECT_EQ(refused_field(body, openai_chat_decode), "logit_bias");
  Array tools;
  for (int i = 0; i < 257; ++i)
    tools.push_back(parsed(R"({"type": "function", "function": {"name": "f)" + std::to_string(i) + "\"}}"));
  body = {};
  body.set("messages", messages);
  body.set("tools", Value(std::move(tools)));
  EXPECT_EQ(refused_field(body, openai_chat_decode), "tools");
  body = {};
  body.set("prompt", Value(Array(129, Value(Array{Value(1)}))));
  EXPECT_EQ(refused_field(body, openai_completions_decode), "prompt");
  body = {};  // before each prompt gets a copy of it
  body.set("prompt", Value(Array{Value(1)}));
  body.set("guided_regex", Value(std::string(engine::kMaxGrammarBytes + 1, 'a')));
  EXPECT_EQ(refused_field(body, openai_completions_decode), "guided_regex");
  Table pairs;
  for (int i = 0; i < 17; ++i) pairs.set(std::to_string(i), Value("x"));
  body = {};
  body.set("messages", messages);
  body.set("metadata", Value(std::move(pairs)));
  EXPECT_EQ(refused_field(body, openai_chat_decode), "metadata");
}

}  // namespace varve::http
