// A coding agent's session, request by request as such clients send them, through the protocol and the
// engine: what was computed in one turn is not computed in the next.
//
// Each turn sends the whole conversation again: a billing header that changes, rules of some length, tools,
// what was asked, and the answers and results so far as blocks; behind them a message that counts tokens. A
// request for a title goes between, with a prompt of its own.
#include <gtest/gtest.h>

#include "core/file.h"
#include "core/json.h"
#include "engine/fake_model.h"
#include "engine/script_model.h"
#include "http/anthropic_messages.h"
#include "protocol_support.h"
#include "support/data.h"

namespace varve::http {
namespace {

constexpr int kTurns = 12;
constexpr int64_t kContext = 1 << 16;

/// Words, not the tokenizer's tokens: whatever comes back as text is cut otherwise than it was sampled.
const std::vector<test::Marker>& markers() {
  static const std::vector<test::Marker> kMarkers = {
      {"<|im_end|>"},         {"<|im_start|>"},        {"<think>", false}, {"</think>", false},
      {"<tool_call>", false}, {"</tool_call>", false}, {"the ", false},    {"file", false}};
  return kMarkers;
}

/// Markers as such, all else byte by byte.
std::vector<int32_t> sampled(const std::string& text) {
  std::vector<int32_t> ids;
  for (size_t at = 0; at < text.size();) {
    size_t taken = 1;
    auto id = static_cast<int32_t>(static_cast<unsigned char>(text[at]));
    for (size_t i = 0; i < 6; ++i)
      if (text.compare(at, markers()[i].text.size(), markers()[i].text) == 0) {
        taken = markers()[i].text.size();
        id = 256 + static_cast<int32_t>(i);
      }
    ids.push_back(id);
    at += taken;
  }
  return ids;
}

std::string words(int seed, int count) {
  static const char* const kWords[] = {"read ", "the ",    "file ", "before ",
                                       "you ",  "change ", "it, ",  "and "};
  std::string text;
  for (int i = 0; i < count; ++i) text += kWords[(seed * 31 + i * i * 7 + i) % 8];
  return text;
}

Value text_block(const std::string& text) {
  Table block;
  block.set("type", "text");
  block.set("text", text);
  return Value(std::move(block));
}

Value message(const char* role, Value content) {
  Table out;
  out.set("role", role);
  out.set("content", std::move(content));
  return Value(std::move(out));
}

/// A client: its conversation, and what it has of each answer.
class Agent {
 public:
  explicit Agent(const text::TextAssets& assets)
      : text_(assets), model_(256 + static_cast<int64_t>(markers().size()), kContext) {
    auto made = engine::Engine::create(
        model_, test::no_backend(), &text_,
        {.memory = {.cache_bytes = 4 * kContext / 16 * 64}, .step_seconds = 0, .stop_ids = {256}});
    EXPECT_TRUE(made.ok());
    engine_ = std::move(made.value());
    served_ = {.name = "m", .context = kContext, .text = &text_, .chat = chat_traits(text_.templates())};
    served_.chat.thinks = true;
    served_.sampling.temperature = 0;  // or it would not say what it wants to
    messages_.push_back(message("user", Value(Array{text_block("Fix the tests of this project.")})));
  }

  struct Usage {
    int64_t input = 0, read = 0, written = 0, output = 0;
    int64_t prompt() const { return input + read + written; }
  };

  /// One request of the session; `said` is what the model says to it.
  Usage turn(int number, const std::string& said) {
    Table body;
    body.set("model", "m");
    body.set("max_tokens", 2000);
    body.set("stream", true);
    body.set("system",
             Value(Array{text_block("x-anthropic-billing-header: cc_version=2.1." + std::to_string(number) +
                                    "; cch=" + std::to_string(90001 + 37 * number) + ";"),
                         text_block("You are a coding agent.\n" + words(1, 400))}));
    body.set("tools", tools());
    Array sent = messages_;
    sent.push_back(message("system", Value("<total_tokens>" + std::to_string(900000 - 1234 * number) +
                                           " tokens left</total_tokens>")));
    body.set("messages", Value(std::move(sent)));
    return ask(std::move(body), said, true);
  }

  /// A request beside the session.
  Usage title(const std::string& said) {
    Table body;
    body.set("model", "m");
    body.set("max_tokens", 50);
    body.set("stream", true);
    body.set("system", "Write a title of five words.");
    body.set("messages", Value(Array{message("user", Value("Fix the tests of this project."))}));
    return ask(std::move(body), said, false);
  }

  void result(const std::string& text) {
    ASSERT_FALSE(call_id_.empty()) << "there was no call";
    Table block;
    block.set("type", "tool_result");
    block.set("tool_use_id", call_id_);
    block.set("content", Value(Array{text_block(text)}));
    messages_.push_back(message("user", Value(Array{Value(std::move(block))})));
  }

 private:
  static Value tools() {
    Array list;
    for (const char* name : {"Bash", "Read", "Edit", "Grep"}) {
      Table tool;
      tool.set("name", name);
      tool.set("description", words(static_cast<int>(name[0]), 40));
      tool.set(
          "input_schema",
          parsed(R"({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]})"));
      list.emplace_back(std::move(tool));
    }
    return Value(std::move(list));
  }

  Usage ask(Table body, const std::string& said, bool keep) {
    auto call = anthropic_messages_decode(Value(std::move(body)), NoHeaders(), served_);
    EXPECT_TRUE(call.ok()) << (call.ok() ? "" : call.error().message);
    auto prepared = engine_->prepare(std::move(call.value().requests[0]));
    EXPECT_TRUE(prepared.ok()) << (prepared.ok() ? "" : prepared.error().message);
    model_.set_prompt(prepared.value().ids.size());
    model_.say(sampled(said));
    std::string bytes;
    engine_->submit(std::move(prepared.value()),
                    [&](const engine::Event& event) { call.value().encoder->event(event, bytes); });
    engine_->run();
    return read(bytes, keep);
  }

  /// What the client makes of the stream.
  Usage read(const std::string& bytes, bool keep) {
    Usage usage;
    Array content;
    std::string arguments;
    const auto number = [](const Value& in, const char* name) { return in.find(name)->integer(); };
    for (const Frame& frame : frames(bytes)) {
      const Value data = parsed(frame.data);
      if (frame.event == "message_start") {
        const Value& counts = *data.find_path("message.usage");
        usage = {.input = number(counts, "input_tokens"),
                 .read = number(counts, "cache_read_input_tokens"),
                 .written = number(counts, "cache_creation_input_tokens")};
      } else if (frame.event == "content_block_start") {
        content.push_back(*data.find("content_block"));
        arguments.clear();
      } else if (frame.event == "content_block_delta") {
        const Value& delta = *data.find("delta");
        for (const char* part : {"text", "thinking", "signature"})
          if (const Value* more = delta.find(part))
            content.back().table().set(
                part, (content.back().find(part) ? content.back().find(part)->text() : "") + more->text());
        if (const Value* more = delta.find("partial_json")) arguments += more->text();
      } else if (frame.event == "content_block_stop") {
        if (content.back().find("type")->text() != "tool_use") continue;
        content.back().table().set("input", parsed(arguments));
        if (keep) call_id_ = content.back().find("id")->text();
      } else if (frame.event == "message_delta") {
        usage.output = number(*data.find("usage"), "output_tokens");
      }
    }
    if (keep) messages_.push_back(message("assistant", Value(std::move(content))));
    return usage;
  }

  engine::ModelText text_;
  test::ScriptModel model_;
  std::unique_ptr<engine::Engine> engine_;
  ServedModel served_;
  Array messages_;
  std::string call_id_;
};

std::string call_of(int turn) {
  return "<think>\nI need the file of turn " + std::to_string(turn) + ".\n</think>\n\nI read the file.\n" +
         "<tool_call>\n{\"name\": \"Read\", \"arguments\": {\"path\": \"src/the file " +
         std::to_string(turn) + ".cpp\"}}\n</tool_call>";
}

TEST(AgentReplay, KnowsNearlyAllThatItHasSeen) {
  const auto path = test::shared_data("templates/Qwen-Qwen3-0.6B.jinja");
  VARVE_NEEDS(path);
  Agent agent(test::byte_assets(markers(), read_text(path, 1 << 20)));
  agent.turn(0, call_of(0));
  int64_t seen = 0;
  for (int turn = 1; turn <= kTurns; ++turn) {
    agent.result(words(turn, 30));
    agent.title("Tests that pass again");
    const Agent::Usage usage = agent.turn(turn, call_of(turn));
    ASSERT_GT(usage.output, 50);
    if (turn > 1) {
      EXPECT_GE(static_cast<double>(usage.read), 0.98 * static_cast<double>(seen))
          << "turn " << turn << ": read " << usage.read << " of " << seen;
    }
    EXPECT_LE(usage.read, usage.prompt());
    seen = usage.prompt() + usage.output;
  }
  EXPECT_GT(seen, 6000);
}

}  // namespace
}  // namespace varve::http
