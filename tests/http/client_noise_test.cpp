// What agent clients put into prompts that changes with every request: a conversation that has grown begins
// with all that it had.
#include <gtest/gtest.h>

#include "http/anthropic_conversation.h"
#include "http/anthropic_messages.h"
#include "protocol_support.h"

namespace varve::http {

TEST(ClientNoise, BillingHeadersGo) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch=fa690;", ""},
      {"x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch=fa690;You are an agent.",
       "You are an agent."},
      {"x-anthropic-billing-header: cc_version=2.1; cch=fa690;\nYou are; an agent=x;",
       "You are; an agent=x;"},
      {"x-anthropic-billing-header: cc_version=2.1; cch=fa690\n\nYou are", "You are"},
      {"x-anthropic-billing-header: something else\nYou are", "You are"},
      {"x-anthropic-billing-header:", ""},
      {"You are x-anthropic-billing-header: cch=1;", "You are x-anthropic-billing-header: cch=1;"},
      {"", ""},
      {"plain", "plain"}};
  for (const auto& [text, left] : cases) EXPECT_EQ(without_billing_header(text), left) << text;
}

TEST(ClientNoise, OnlyCountsOfTokensGo) {
  for (const std::string_view text :
       {"<total_tokens>14999436 tokens left</total_tokens>", " <total_tokens>5</total_tokens>\n",
        "<system-reminder>\nToken usage: 1200/200000; 198800 remaining\n</system-reminder>",
        "Token usage: 1200/200000; 198800 remaining"})
    EXPECT_TRUE(counts_tokens_only(text)) << text;
  for (const std::string_view text : {"Plan mode is on.", "<total_tokens>5</total_tokens> Plan mode is on.",
                                      "Token usage: 5\nPlan mode is on.",
                                      "<total_tokens>5</total_tokens><total_tokens>", "", "<total_tokens>"})
    EXPECT_FALSE(counts_tokens_only(text)) << text;
}

TEST(ClientNoise, SignaturesCarryHiddenThoughts) {
  for (const std::string& thought : {std::string(), std::string("a"), std::string("ab"),
                                     std::string("a\0\xff", 3), std::string("What is 6 × 7?\n")}) {
    const std::string signature = thought_signature(thought);
    EXPECT_FALSE(signature.empty());
    EXPECT_EQ(thought_of_signature(signature), thought);
  }
  EXPECT_EQ(thought_of_signature("EqQBCgIYAhIM1gbcDa9GJwZA2b3h"), "");
  EXPECT_EQ(thought_of_signature("!"), "");
  EXPECT_EQ(thought_of_signature(""), "");
}

namespace {

/// The messages that the template gets in turn `turn` of a session, each turn with another billing header,
/// counts of tokens left, and now and then a note.
Array session(int turn, const ChatTraits& traits) {
  Array messages;
  const auto add = [&](std::string_view role, const std::string& content) {
    messages.push_back(parsed(R"({"role": ")" + std::string(role) + R"(", "content": )" + content + "}"));
  };
  add("user", R"([{"type": "text", "text": "Fix the tests."}])");
  for (int i = 0; i < turn; ++i) {
    const std::string id = std::to_string(i);
    add("assistant", R"([{"type": "thinking", "thinking": "t)" + id +
                         R"(", "signature": "s"}, {"type": "text", "text": "a)" + id +
                         R"("}, {"type": "tool_use", "id": "toolu_)" + id +
                         R"(", "name": "Bash", "input": {"n": )" + id + "}}]");
    add("user",
        R"([{"type": "tool_result", "tool_use_id": "toolu_)" + id + R"(", "content": "r)" + id + "\"}]");
    add("system", "\"<total_tokens>" + std::to_string(1000000 - i * turn) + " tokens left</total_tokens>\"");
    if (i % 3 == 1) add("system", "\"The task tools have not been used. " + id + "\"");
  }
  Table body;
  body.set("max_tokens", Value(5));
  const std::string header = "x-anthropic-billing-header: cc_version=2.1." + std::to_string(turn) +
                             "; cch=" + std::to_string(10000 + turn * 37) + ";";
  body.set("system",
           parsed(R"([{"type": "text", "text": ")" + header + R"("}, {"type": "text", "text": "Rules."}])"));
  body.set("messages", Value(std::move(messages)));
  ServedModel model = bare_model();
  model.chat = traits;
  const auto call = anthropic_messages_decode(Value(std::move(body)), NoHeaders(), model);
  EXPECT_TRUE(call.ok()) << call.error().message;
  return std::get<text::ChatInput>(call.value().requests[0].prompt).messages;
}

}  // namespace

TEST(ClientNoise, EachTurnBeginsWithTheOneBefore) {
  for (const bool late_system : {true, false})
    for (const bool system : {true, false}) {
      ChatTraits traits;
      traits.late_system = late_system;
      traits.system = system;
      Array before = session(0, traits);
      for (int turn = 1; turn < 12; ++turn) {
        const Array now = session(turn, traits);
        ASSERT_LT(before.size(), now.size());
        for (size_t i = 0; i < before.size(); ++i)
          EXPECT_EQ(now[i], before[i]) << "turn " << turn << ", message " << i;
        before = now;
      }
    }
}

}  // namespace varve::http
