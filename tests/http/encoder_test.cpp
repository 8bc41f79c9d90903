// Answers in each protocol's words: what is streamed adds up to what is sent whole, in the order that clients
// take, and ends exactly once whatever comes.
#include <gtest/gtest.h>

#include <functional>

#include "core/json.h"
#include "http/anthropic_encoder.h"
#include "http/openai_chat_encoder.h"
#include "http/openai_completions.h"
#include "protocol_support.h"
#include "support/data.h"

namespace varve::http {

namespace {

const engine::Usage kPrompt{.prompt_tokens = 100, .cached_tokens = 60, .remembered_tokens = 30};
const engine::Usage kAll{.prompt_tokens = 100,
                         .cached_tokens = 60,
                         .remembered_tokens = 30,
                         .completion_tokens = 9,
                         .reasoning_tokens = 4};

engine::FinishEvent stopped() { return {.usage = kAll}; }
engine::FinishEvent cut(bool context = false) {
  return {.reason = engine::FinishReason::length, .usage = kAll, .context_full = context};
}
engine::FinishEvent cancelled() { return {.reason = engine::FinishReason::cancelled}; }

struct Answer {
  std::string name;
  std::vector<engine::Event> events;
  std::string openai_reason;     // "": an error
  std::string anthropic_reason;  // the same
};

/// Each the answer of one choice.
std::vector<Answer> answers() {
  std::vector<Answer> out;
  const auto add = [&](std::string name, const Events& events, std::string openai, std::string anthropic) {
    out.push_back({std::move(name), events.all(), std::move(openai), std::move(anthropic)});
  };
  add("text", Events().start(kPrompt).text("Hel").text("lo\n\"ü\"").finish(stopped()), "stop", "end_turn");
  add("nothing", Events().start(kPrompt).finish(stopped()), "stop", "end_turn");
  add("a thought", Events().start(kPrompt).thought("h").thought("m").text("yes").finish(stopped()), "stop",
      "end_turn");
  add("a call", Events().start(kPrompt).text("So.").call("f", {"{\"a\"", ": 1}"}).finish(stopped()),
      "tool_calls", "tool_use");
  add("two calls",
      Events()
          .start(kPrompt)
          .call("f", {"{}"}, true, "id:1")
          .call("g", {"{\"b\": [1]}"}, true, "id:1")
          .finish(stopped()),
      "tool_calls", "tool_use");
  add("text after a call", Events().start(kPrompt).call("f", {"{}"}).text("done").finish(stopped()),
      "tool_calls", "tool_use");
  add("a broken call", Events().start(kPrompt).call("f", {"{\"a\": \"x"}, false).text("?").finish(stopped()),
      "stop", "end_turn");
  add("a call cut short", Events().start(kPrompt).call("f", {"{\"a\""}, false).finish(cut()), "length",
      "max_tokens");
  add("too long", Events().start(kPrompt).text("abc").finish(cut()), "length", "max_tokens");
  add("the context is full", Events().start(kPrompt).text("abc").finish(cut(true)), "length",
      "model_context_window_exceeded");
  engine::FinishEvent stop = stopped();
  stop.stop = "END";
  add("a stop string", Events().start(kPrompt).text("abc").finish(stop), "stop", "stop_sequence");
  add("cancelled in the queue", Events().finish(cancelled()), "", "");
  add("cancelled later", Events().start(kPrompt).text("a").finish(cancelled()), "", "");
  add("an error", Events().start(kPrompt).text("a").fail("it failed"), "", "");
  add("an error at once", Events().fail("it failed"), "", "");
  add("an error in a thought", Events().start(kPrompt).thought("a").fail("it failed"), "", "");
  add("an error in a call", Events().start(kPrompt).call("f", {"{"}, false).fail("it failed"), "", "");
  add("no start", Events().text("a").finish(stopped()), "stop", "end_turn");
  return out;
}

// ---- chat completions ----

OpenaiForm chat_form(bool stream, StreamOptions options = {}) {
  return {.model = "m", .stream = stream, .options = options};
}

/// What a client puts together of a stream; null when it ended with an error.
Value reassembled_chat(const std::vector<Frame>& all, size_t choice = 0) {
  Table message;
  std::string content;
  std::string reasoning;
  Array calls;
  Value reason;
  for (const Frame& frame : all) {
    if (frame.data == "[DONE]") continue;
    const Value chunk = parsed(frame.data);
    if (chunk.find("error")) return {};
    for (const Value& one : chunk.find("choices")->array()) {
      if (one.find("index")->integer() != static_cast<int64_t>(choice)) continue;
      if (!one.find("finish_reason")->is_null()) reason = *one.find("finish_reason");
      const Value& delta = *one.find("delta");
      if (const Value* more = delta.find("content")) content += more->text();
      if (const Value* more = delta.find("reasoning_content")) reasoning += more->text();
      const Value* list = delta.find("tool_calls");
      for (const Value& call : list ? list->array() : Array{}) {
        const auto index = static_cast<size_t>(call.find("index")->integer());
        if (call.find("id")) {
          EXPECT_EQ(index, calls.size());
          Table whole = call.table();
          whole.erase("index");
          calls.push_back(Value(std::move(whole)));
        } else {
          std::string arguments = calls.at(index).find_path("function.arguments")->text();
          arguments += call.find_path("function.arguments")->text();
          calls.at(index).table().find("function")->table().set("arguments", Value(arguments));
        }
      }
    }
  }
  message.set("content", content.empty() && !calls.empty() ? Value() : Value(content));
  if (!reasoning.empty()) message.set("reasoning_content", Value(reasoning));
  if (!calls.empty()) message.set("tool_calls", Value(std::move(calls)));
  Table out;
  out.set("message", Value(std::move(message)));
  out.set("finish_reason", std::move(reason));
  return Value(std::move(out));
}

/// Random ids become their number.
void forget_ids(Value& message) {
  Value* calls = message.table().find("tool_calls");
  int number = 0;
  if (!calls) return;
  for (Value& call : calls->array()) {
    const std::string id = call.find("id")->text();
    EXPECT_TRUE(id == "id:1" || id.starts_with("call_")) << id;
    call.table().set("id", Value(id == "id:1" ? id : std::to_string(number)));
    ++number;
  }
}

}  // namespace

TEST(ChatEncoder, StreamsAddUp) {
  for (const Answer& answer : answers()) {
    SCOPED_TRACE(answer.name);
    auto streaming = openai_chat_encoder(chat_form(true), true);
    const std::vector<Frame> all = frames(encoded(*streaming, answer.events));
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(all.back().data, "[DONE]");
    Value streamed = reassembled_chat(all);
    auto once = openai_chat_encoder(chat_form(false), true);
    const Value whole = parsed(encoded(*once, answer.events));
    if (answer.openai_reason.empty()) {
      EXPECT_TRUE(streamed.is_null());
      EXPECT_NE(whole.find("error"), nullptr);
      EXPECT_GE(once->status(), 500);
      continue;
    }
    EXPECT_EQ(once->status(), 200);
    Value choice = whole.find("choices")->array().at(0);
    EXPECT_EQ(choice.find("finish_reason")->text(), answer.openai_reason);
    EXPECT_EQ(streamed.find("finish_reason")->text(), answer.openai_reason);
    forget_ids(*choice.table().find("message"));
    forget_ids(*streamed.table().find("message"));
    std::string where;
    EXPECT_TRUE(contains(*choice.find("message"), *streamed.find("message"), where)) << where;
    EXPECT_TRUE(contains(whole, parsed(R"({"object": "chat.completion", "model": "m", "usage": {
        "prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 4}}})"),
                         where))
        << where;
  }
}

TEST(ChatEncoder, EndsOnceWhateverComes) {
  for (const Answer& answer : answers()) {
    SCOPED_TRACE(answer.name);
    auto encoder = openai_chat_encoder(chat_form(true), true);
    std::string out = encoded(*encoder, answer.events);
    encoder->broken({.status = 503, .message = "stopping"}, out);
    out += encoded(*encoder, answer.events);
    encoder->broken({.status = 503, .message = "stopping"}, out);
    int done = 0;
    for (const Frame& frame : frames(out)) done += frame.data == "[DONE]";
    EXPECT_EQ(done, 1);
    EXPECT_TRUE(out.ends_with("data: [DONE]\n\n"));
  }
}

TEST(ChatEncoder, BeginsWithARoleAndGivesUsageLast) {
  auto encoder = openai_chat_encoder(chat_form(true, {.usage = true}), true);
  const auto all = frames(encoded(*encoder, answers()[0].events));
  std::string where;
  EXPECT_TRUE(contains(parsed(all.front().data),
                       parsed(R"({"object": "chat.completion.chunk", "usage": null, "choices": [{"index": 0,
                           "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]})"),
                       where))
      << where;
  const Value last = parsed(all[all.size() - 2].data);
  EXPECT_TRUE(contains(last, parsed(R"({"choices": [], "usage": {"total_tokens": 109}})"), where)) << where;
  EXPECT_EQ(*last.find("id"), *parsed(all.front().data).find("id"));
}

TEST(ChatEncoder, ThoughtsCanBeLeftOut) {
  auto encoder = openai_chat_encoder(chat_form(false), false);
  const std::string out =
      encoded(*encoder, Events().start().thought("hm").text("yes").finish(stopped()).all());
  EXPECT_EQ(out.find("hm"), std::string::npos);
  EXPECT_NE(out.find("yes"), std::string::npos);
}

TEST(ChatEncoder, SeveralChoicesShareThePrompt) {
  for (const bool stream : {true, false}) {
    OpenaiForm form = chat_form(stream, {.usage = true});
    form.prompt_of = {0, 0};
    auto encoder = openai_chat_encoder(std::move(form), true);
    const auto first = Events(0).start(kPrompt).text("a").text("b").finish(stopped()).all();
    const auto second = Events(1).start(kPrompt).text("c").text("d").finish(cut()).all();
    std::string out;
    for (size_t i = 0; i < first.size(); ++i) {
      encoder->event(second[i], out);
      encoder->event(first[i], out);
    }
    std::string where;
    const Value usage = parsed(R"({"prompt_tokens": 100, "completion_tokens": 18})");
    if (stream) {
      const auto all = frames(out);
      EXPECT_EQ(reassembled_chat(all, 0).find_path("message.content")->text(), "ab");
      EXPECT_EQ(reassembled_chat(all, 1).find_path("message.content")->text(), "cd");
      EXPECT_EQ(reassembled_chat(all, 1).find("finish_reason")->text(), "length");
      EXPECT_TRUE(contains(*parsed(all[all.size() - 2].data).find("usage"), usage, where)) << where;
    } else {
      EXPECT_TRUE(contains(parsed(out), parsed(R"({"choices": [{"index": 0, "message": {"content": "ab"}},
          {"index": 1, "message": {"content": "cd"}}]})"),
                           where))
          << where;
      EXPECT_TRUE(contains(*parsed(out).find("usage"), usage, where)) << where;
    }
  }
}

TEST(ChatEncoder, ErrorsHaveTheirCodes) {
  const std::tuple<Failure, std::string> cases[] = {
      {{.status = 400, .message = "x", .field = "n"},
       R"({"error": {"message": "x", "type": "invalid_request_error", "param": "n", "code": null}})"},
      {{.status = 400, .message = "x", .field = std::string(engine::kContextField)},
       R"({"error": {"type": "invalid_request_error", "param": null, "code": "context_length_exceeded"}})"},
      {{.status = 404, .message = "x", .field = "model"}, R"({"error": {"code": "model_not_found"}})"},
      {{.status = 401, .message = "x"}, R"({"error": {"code": "invalid_api_key"}})"},
      {{.status = 429, .message = "x"}, R"({"error": {"type": "rate_limit_error"}})"},
      {{.status = 503, .message = "x"}, R"({"error": {"type": "server_error", "param": null}})"}};
  for (const auto& [failure, body] : cases) {
    std::string where;
    EXPECT_TRUE(contains(parsed(openai_error_body(failure)), parsed(body), where)) << where;
  }
}

namespace {

const text::Tokenizer& story_tokenizer() {
  static const text::Tokenizer tokenizer =
      text::Tokenizer::load(text::load_text_assets(test::shared_data("models/stories260K")));
  return tokenizer;
}

/// "Once upon" in three tokens and the one that stops.
std::vector<engine::Event> scored(const text::Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  Events events;
  events.start(kPrompt);
  // The last token's text lags behind and comes with the token that stops.
  for (size_t i = 0; i < ids.size(); ++i)
    events.token(ids[i], -0.5F, i + 1 < ids.size() ? tokenizer.bytes(ids[i]) : "");
  events.token(tokenizer.eos_id().value(), -1.0F, tokenizer.bytes(ids.back()));
  engine::FinishEvent finish = stopped();
  finish.stop_id = tokenizer.eos_id().value();
  return events.finish(finish).all();
}

}  // namespace

TEST(ChatEncoder, LogprobsSpellTheAnswer) {
  VARVE_NEEDS(test::shared_data("models/stories260K/tokenizer.json"));
  const text::Tokenizer& tokenizer = story_tokenizer();
  const std::vector<int32_t> ids = tokenizer.encode("Once upon a ü").value();
  std::string said;
  for (const int32_t id : ids) said += tokenizer.bytes(id);
  for (const bool stream : {true, false}) {
    OpenaiForm form = chat_form(stream);
    form.logprobs = true;
    form.tokenizer = &tokenizer;
    auto encoder = openai_chat_encoder(std::move(form), true);
    const std::string out = encoded(*encoder, scored(tokenizer, ids));
    Array tokens;
    std::vector<Value> bodies;
    if (stream)
      for (const Frame& frame : frames(out)) {
        if (frame.data != "[DONE]") bodies.push_back(parsed(frame.data));
      }
    else
      bodies.push_back(parsed(out));
    for (const Value& body : bodies) {
      const Value* content = body.find_path("choices.0.logprobs.content");
      for (const Value& token : content ? content->array() : Array{}) tokens.push_back(token);
    }
    ASSERT_EQ(tokens.size(), ids.size()) << "stream " << stream;
    std::string bytes;
    for (const Value& token : tokens) {
      for (const Value& byte : token.find("bytes")->array()) bytes += static_cast<char>(byte.integer());
      EXPECT_EQ(token.find("logprob")->number(), -0.5);
      EXPECT_EQ(token.find("top_logprobs")->array().size(), 1U);
    }
    EXPECT_EQ(bytes, said);
  }
}

// ---- completions ----

namespace {

std::unique_ptr<Encoder> completion(const std::string& body) {
  auto call = openai_completions_decode(parsed(body), NoHeaders(), bare_model());
  EXPECT_TRUE(call.ok());
  return std::move(call.value().encoder);
}

}  // namespace

TEST(CompletionEncoder, StreamsAddUp) {
  for (const Answer& answer : answers()) {
    SCOPED_TRACE(answer.name);
    auto streaming = completion(R"({"prompt": [1], "stream": true})");
    auto once = completion(R"({"prompt": [1]})");
    const auto all = frames(encoded(*streaming, answer.events));
    const Value whole = parsed(encoded(*once, answer.events));
    EXPECT_EQ(all.back().data, "[DONE]");
    if (answer.openai_reason.empty()) {
      EXPECT_NE(whole.find("error"), nullptr);
      continue;
    }
    std::string text;
    std::string reason;
    for (const Frame& frame : all) {
      if (frame.data == "[DONE]") continue;
      const Value chunk = parsed(frame.data);
      EXPECT_EQ(chunk.find("object")->text(), "text_completion");
      text += chunk.find_path("choices.0.text")->text();
      if (!chunk.find_path("choices.0.finish_reason")->is_null())
        reason = chunk.find_path("choices.0.finish_reason")->text();
    }
    EXPECT_EQ(whole.find_path("choices.0.text")->text(), text);
    EXPECT_EQ(whole.find_path("choices.0.finish_reason")->text(), reason);
    EXPECT_TRUE(reason == "stop" || reason == "length");
  }
}

TEST(CompletionEncoder, EachPromptCountsOnce) {
  auto encoder = completion(R"({"prompt": [[1], [2]], "n": 2})");
  std::string out;
  for (int32_t choice = 0; choice < 4; ++choice) {
    const std::string text(1, static_cast<char>('a' + choice));
    out += encoded(*encoder, Events(choice).start(kPrompt).text(text).finish(stopped()).all());
  }
  std::string where;
  EXPECT_TRUE(contains(parsed(out),
                       parsed(R"({"choices": [{"index": 0, "text": "a"}, {"index": 1, "text": "b"},
      {"index": 2, "text": "c"}, {"index": 3, "text": "d"}], "usage": {"prompt_tokens": 200,
      "completion_tokens": 36}})"),
                       where))
      << where;
}

// ---- messages ----

namespace {

/// What a client puts together; the order of events is held to the protocol's. Null: it ended with an error.
Value reassembled_message(const std::vector<Frame>& all) {
  Value message;
  std::string json;  // of the open call
  bool open = false;
  bool stopped = false;
  for (const Frame& frame : all) {
    const Value data = parsed(frame.data);
    EXPECT_EQ(data.find("type")->text(), frame.event);
    EXPECT_FALSE(stopped) << "after the end: " << frame.data;
    EXPECT_EQ(message.is_null(), frame.event == "message_start") << frame.data;
    if (frame.event == "error") return {};
    if (frame.event == "message_start") {
      message = *data.find("message");
      continue;
    }
    if (frame.event == "message_stop") {
      EXPECT_FALSE(open);
      stopped = true;
      continue;
    }
    if (frame.event == "message_delta") {
      message.table().set("stop_reason", *data.find_path("delta.stop_reason"));
      message.table().set("stop_sequence", *data.find_path("delta.stop_sequence"));
      message.table().set("usage", *data.find("usage"));
      continue;
    }
    Array& content = message.table().find("content")->array();
    const auto index = static_cast<size_t>(data.find("index")->integer());
    if (frame.event == "content_block_start") {
      EXPECT_FALSE(std::exchange(open, true));
      EXPECT_EQ(index, content.size());
      content.push_back(*data.find("content_block"));
      json.clear();
      continue;
    }
    EXPECT_TRUE(open);
    EXPECT_EQ(index + 1, content.size());
    Table& block = content.back().table();
    if (frame.event == "content_block_stop") {
      open = false;
      if (block.find("input") && !json.empty()) {
        const Result<Value> input = json::parse(json);
        block.set("input", input.ok() ? input.value() : Value("broken"));
      }
      continue;
    }
    EXPECT_EQ(frame.event, "content_block_delta");
    for (const auto& [name, more] : data.find("delta")->table()) {
      if (name == "partial_json") json += more.text();
      if (name == "type" || name == "partial_json") continue;
      block.set(name, Value(block.find(name)->text() + more.text()));
    }
  }
  EXPECT_TRUE(stopped);
  return message;
}

void forget_message_ids(Value& message) {
  message.table().erase("id");
  for (Value& block : message.table().find("content")->array()) {
    Value* id = block.table().find("id");
    if (id && id->text().starts_with("toolu_")) *id = Value("toolu");
  }
}

}  // namespace

TEST(MessageEncoder, StreamsAddUp) {
  for (const bool shown : {true, false})
    for (const Answer& answer : answers()) {
      SCOPED_TRACE(answer.name);
      const MessageForm form{.model = "m", .stream = true, .thoughts_shown = shown};
      auto streaming = anthropic_encoder(form);
      auto once = anthropic_encoder({.model = "m", .stream = false, .thoughts_shown = shown});
      const auto all = frames(encoded(*streaming, answer.events));
      ASSERT_FALSE(all.empty());
      EXPECT_EQ(all.front().event, "message_start");
      Value streamed = reassembled_message(all);
      Value whole = parsed(encoded(*once, answer.events));
      if (answer.anthropic_reason.empty()) {
        EXPECT_TRUE(streamed.is_null());
        EXPECT_EQ(all.back().event, "error");
        EXPECT_EQ(whole.find("type")->text(), "error");
        EXPECT_GE(once->status(), 500);
        continue;
      }
      EXPECT_EQ(whole.find("stop_reason")->text(), answer.anthropic_reason);
      EXPECT_EQ(whole.find_path("usage.input_tokens")->integer(), 10);
      EXPECT_EQ(whole.find_path("usage.cache_read_input_tokens")->integer(), 60);
      EXPECT_EQ(whole.find_path("usage.cache_creation_input_tokens")->integer(), 30);
      EXPECT_EQ(whole.find_path("usage.output_tokens")->integer(), 9);
      if (answer.name == "a broken call" || answer.name == "a call cut short") {
        EXPECT_EQ(*streamed.find_path("content.0.input"), Value("broken"));
        EXPECT_EQ(whole.find_path("content.0.type")->text(), "text");
        EXPECT_TRUE(
            whole.find_path("content.0.text")->text().starts_with(R"({"name": "f", "arguments": {"a")"));
        EXPECT_EQ(streamed.find("stop_reason")->text(), answer.anthropic_reason);
        continue;
      }
      forget_message_ids(whole);
      forget_message_ids(streamed);
      std::string where;
      EXPECT_TRUE(contains(whole, streamed, where)) << where;
      EXPECT_EQ(whole, streamed);
    }
}

TEST(MessageEncoder, EndsOnceWhateverComes) {
  for (const Answer& answer : answers()) {
    SCOPED_TRACE(answer.name);
    auto encoder = anthropic_encoder({.model = "m", .stream = true});
    std::string out = encoded(*encoder, answer.events);
    encoder->broken({.status = 503, .message = "stopping"}, out);
    out += encoded(*encoder, answer.events);
    int starts = 0;
    int ends = 0;
    for (const Frame& frame : frames(out)) {
      starts += frame.event == "message_start";
      ends += frame.event == "message_stop" || frame.event == "error";
    }
    EXPECT_EQ(starts, 1);
    EXPECT_EQ(ends, 1);
  }
}

TEST(MessageEncoder, StopStringsAreNamedAndUsageComesFirst) {
  auto encoder = anthropic_encoder({.model = "m", .stream = true});
  engine::FinishEvent finish = stopped();
  finish.stop = "END";
  const auto all = frames(encoded(*encoder, Events().start(kPrompt).text("a").finish(finish).all()));
  const Value start = parsed(all.front().data);
  EXPECT_EQ(start.find_path("message.usage.cache_read_input_tokens")->integer(), 60);
  EXPECT_EQ(start.find_path("message.usage.input_tokens")->integer(), 10);
  EXPECT_TRUE(start.find_path("message.stop_reason")->is_null());
  EXPECT_EQ(reassembled_message(all).find("stop_sequence")->text(), "END");
  EXPECT_EQ(frames(encoder->ping()).front().event, "ping");
}

TEST(MessageEncoder, ErrorsHaveTheirTypes) {
  const std::pair<int, std::string_view> cases[] = {{400, "invalid_request_error"},
                                                    {401, "authentication_error"},
                                                    {403, "permission_error"},
                                                    {404, "not_found_error"},
                                                    {413, "request_too_large"},
                                                    {429, "rate_limit_error"},
                                                    {500, "api_error"},
                                                    {503, "overloaded_error"},
                                                    {422, "invalid_request_error"}};
  for (const auto& [status, type] : cases) {
    const Value error = anthropic_error({.status = status, .message = "x"});
    EXPECT_EQ(error.find("type")->text(), "error");
    EXPECT_EQ(error.find_path("error.type")->text(), type);
    EXPECT_EQ(error.find_path("error.message")->text(), "x");
    EXPECT_NE(error.find("request_id"), nullptr);
  }
}

}  // namespace varve::http
