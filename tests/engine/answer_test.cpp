// What a client gets to see of an answer: thoughts, calls, stop strings, budgets, grammars.
#include <gtest/gtest.h>

#include "core/json.h"
#include "engine/engine.h"
#include "engine/fake_model.h"
#include "engine/script_model.h"

namespace varve::engine {
namespace {

using test::Marker;
using text::syntax::ReasoningPiece;
using text::syntax::TextPiece;
using text::syntax::ToolArgumentsPiece;
using text::syntax::ToolEndPiece;
using text::syntax::ToolStartPiece;

constexpr const char* kTemplate =
    "{%- for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{%- if tools %}<tool_call> {\"name\": , \"arguments\": } </tool_call>{{ tools | tojson }}{% endif %}"
    "{%- if add_generation_prompt %}[assistant]"
    "{%- if enable_thinking is defined and enable_thinking %}<think>\n{% endif %}{% endif %}";

const std::vector<Marker>& markers() {
  static const std::vector<Marker> kMarkers = {
      {"<end>"}, {"<think>", false}, {"</think>", false}, {"<tool_call>"}, {"</tool_call>"}};
  return kMarkers;
}

Value weather_tool(bool strict) {
  return json::parse(std::string(R"([{"type": "function", "function": {"name": "weather", "parameters":
      {"type": "object", "properties": {"city": {"type": "string", "enum": ["Rom", "Ulm"]}},
       "required": ["city"]}, "strict": )") +
                     (strict ? "true" : "false") + "}}]")
      .value();
}

/// What happened, in words.
std::string told(const std::vector<Piece>& pieces) {
  std::string out;
  for (const Piece& piece : pieces) {
    if (const auto* text = std::get_if<TextPiece>(&piece)) out += "said(" + text->text + ")";
    if (const auto* thought = std::get_if<ReasoningPiece>(&piece)) out += "thought(" + thought->text + ")";
    if (const auto* start = std::get_if<ToolStartPiece>(&piece)) out += "call(" + start->name + " ";
    if (const auto* part = std::get_if<ToolArgumentsPiece>(&piece)) out += part->json_delta;
    if (const auto* end = std::get_if<ToolEndPiece>(&piece)) out += end->complete ? ")" : "...)";
  }
  return out;
}

class AnswerTest : public testing::Test {
 protected:
  AnswerTest() : AnswerTest(markers(), kTemplate) {}
  AnswerTest(const std::vector<Marker>& its_markers, const char* its_template)
      : text_(test::byte_assets(its_markers, its_template)),
        model_(256 + static_cast<int64_t>(its_markers.size())) {
    auto made = Engine::create(model_, test::no_backend(), &text_, {.step_seconds = 0, .stop_ids = {256}});
    engine_ = std::move(made.value());
  }

  std::vector<int32_t> ids(const std::string& text) const {
    return text_.tokenizer().encode(text, {.add_special = false, .parse_special = true}).value();
  }
  Request chat(bool tools = false) const {
    Request request;
    text::ChatInput input;
    Table message;
    message.set("role", "user");
    message.set("content", "hi");
    input.messages.push_back(Value(message));
    if (tools) input.tools = weather_tool(false);
    request.prompt = std::move(input);
    request.sampling.temperature = 0;
    request.form.read = true;
    request.limits.max_tokens = 300;
    return request;
  }
  static text::ChatInput& input(Request& request) { return std::get<text::ChatInput>(request.prompt); }

  /// The model wants to say `script`. What the client sees, or the refusal.
  std::string answer(Request request, const std::string& script) {
    auto prepared = engine_->prepare(std::move(request));
    if (!prepared) return prepared.error().field + ": " + prepared.error().message;
    model_.set_prompt(prepared.value().ids.size());
    model_.say(ids(script));
    std::vector<Piece> pieces;
    engine_->submit(std::move(prepared.value()), [&](Event event) {
      if (auto* part = std::get_if<AnswerEvent>(&event)) {
        for (Piece& piece : part->pieces) append_piece(pieces, std::move(piece));
      } else if (auto* finish = std::get_if<FinishEvent>(&event)) {
        finish_ = *finish;
      } else if (auto* error = std::get_if<ErrorEvent>(&event)) {
        ADD_FAILURE() << error->error.message;
      }
    });
    engine_->run();
    EXPECT_EQ(engine_->stats().pages_held, engine_->stats().prefix.pages);
    return told(pieces);
  }

  ModelText text_;
  test::ScriptModel model_;
  std::unique_ptr<Engine> engine_;
  FinishEvent finish_;
};

TEST_F(AnswerTest, ThoughtsAndCallsAreToldAsSuch) {
  const std::string script =
      "<think>\nhm, 1 < 2\n</think>\n\nwell <tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": "
      "\"Rom\"}}\n"
      "</tool_call>";
  EXPECT_EQ(answer(chat(true), script), "thought(hm, 1 < 2)said(well)call(weather {\"city\": \"Rom\"})");
  EXPECT_EQ(finish_.reason, FinishReason::stop);
  EXPECT_EQ(finish_.stop_id, 256);
  EXPECT_EQ(finish_.usage.reasoning_tokens, 13);  // markers and line ends with it
  EXPECT_EQ(finish_.usage.completion_tokens, static_cast<int64_t>(ids(script).size()) + 1);
}

TEST_F(AnswerTest, WithoutReadingAllIsText) {
  Request request = chat();
  request.form.read = false;
  EXPECT_EQ(answer(request, "<think>a</think>b"), "said(<think>a</think>b)");
  EXPECT_EQ(finish_.usage.reasoning_tokens, 0);
}

TEST_F(AnswerTest, MarkersThatAreSpecialNeverShowAsText) {
  // No tools, so it is no call; its markers are special tokens all the same.
  EXPECT_EQ(answer(chat(), "a<tool_call>b</tool_call>c"), "said(abc)");
  EXPECT_EQ(answer(chat(true), "a<tool_call>no call</tool_call>c"), "said(ano callc)");
  Request none = chat(true);
  none.form.tools = AnswerForm::Tools::none;
  EXPECT_EQ(answer(none, "<tool_call>{\"name\": \"weather\", \"arguments\": {}}</tool_call>"),
            "said({\"name\": \"weather\", \"arguments\": {}})");
}

TEST_F(AnswerTest, AMarkerThatWasSpelledShows) {
  model_.set_prompt(0);
  std::string spelled = "say <tool";
  spelled += "_call> now";
  auto prepared = engine_->prepare(chat());
  model_.set_prompt(prepared.value().ids.size());
  std::vector<int32_t> bytes;
  for (const char c : spelled) bytes.push_back(static_cast<unsigned char>(c));
  model_.say(bytes);
  std::string said_all;
  engine_->submit(std::move(prepared.value()), [&](Event event) {
    if (const auto* part = std::get_if<AnswerEvent>(&event)) said_all += said(*part);
  });
  engine_->run();
  EXPECT_EQ(said_all, spelled);
}

TEST_F(AnswerTest, StopStringsAreLookedForInWhatIsSaidAlone) {
  Request request = chat(true);
  request.limits.stop = {"STOP"};
  EXPECT_EQ(answer(request,
                   "<think>STOP</think>ST<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": "
                   "\"STOP\"}}</tool_call>OP go STOP on"),
            "thought(STOP)said(ST)call(weather {\"city\": \"STOP\"})said(OP go )");
  EXPECT_EQ(finish_.stop, "STOP");
  EXPECT_EQ(finish_.reason, FinishReason::stop);
}

TEST_F(AnswerTest, OneCallAndNoMore) {
  const std::string call =
      "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Ulm\"}}\n</tool_call>\n";
  EXPECT_EQ(answer(chat(true), call + call),
            "call(weather {\"city\": \"Ulm\"})call(weather {\"city\": \"Ulm\"})");
  Request one = chat(true);
  one.form.parallel_tools = false;
  EXPECT_EQ(answer(one, call + call), "call(weather {\"city\": \"Ulm\"})");
  EXPECT_EQ(finish_.reason, FinishReason::stop);
}

TEST_F(AnswerTest, APromptThatOpensAThought) {
  Request request = chat();
  request.reasoning.enabled = true;
  EXPECT_EQ(answer(request, "so\n</think>\nyes"), "thought(so)said(yes)");
  EXPECT_EQ(finish_.usage.reasoning_tokens, 4);
}

TEST_F(AnswerTest, ABudgetClosesTheThought) {
  Request request = chat();
  request.reasoning = {.enabled = true, .budget = 5};
  EXPECT_EQ(answer(request, "0123456789"), "thought(01234)said(6789)");
  EXPECT_EQ(finish_.usage.reasoning_tokens, 6);
  request.reasoning.budget = 0;
  EXPECT_EQ(answer(request, "0123"), "said(123)");
  request.reasoning.budget = 100;
  EXPECT_EQ(answer(request, "01</think>23"), "thought(01)said(23)");
  request.reasoning = {.budget = 3};
  EXPECT_EQ(answer(request, "<think>abcdef"), "thought(ab)said(def)");
}

TEST_F(AnswerTest, WhatCannotBeThoughtIsRefused) {
  Request request = chat();
  request.reasoning.effort = "high";
  EXPECT_EQ(answer(request, "a").substr(0, 17), "reasoning.effort:");
  request.reasoning.effort = "none";
  EXPECT_EQ(answer(request, "a"), "said(a)");
  request.reasoning = {.budget = -1};
  EXPECT_EQ(answer(request, "a").substr(0, 17), "reasoning.budget:");
}

TEST_F(AnswerTest, AGrammarHoldsTheAnswer) {
  Request request = chat();
  request.form.grammar = Grammar{.kind = text::GrammarKind::json_schema,
                                 .text = R"({"type": "object", "properties": {"n": {"type": "integer"}},
                                             "required": ["n"], "additionalProperties": false})"};
  EXPECT_EQ(answer(request, "{\"n\": 12}, you see"), "said({\"n\": 12})");
  EXPECT_EQ(finish_.reason, FinishReason::stop);
  EXPECT_EQ(finish_.stop_id, -1);  // it was complete, no token had to say so
  EXPECT_EQ(answer(request, "{\"n\": \"twelve").substr(0, 10), "said({\"n\":");
  request.form.grammar = Grammar{.kind = text::GrammarKind::regex, .text = "(yes|no)"};
  EXPECT_EQ(answer(request, "no way"), "said(no)");
  request.form.grammar->text = "(";
  EXPECT_EQ(answer(request, "").substr(0, 8), "grammar:");
}

TEST_F(AnswerTest, AThoughtBeforeAGrammarIsFree) {
  Request request = chat();
  request.form.grammar = Grammar{.kind = text::GrammarKind::regex, .text = "(yes|no)"};
  EXPECT_EQ(answer(request, "<think>maybe</think>\n\nno way"), "thought(maybe)said(no)");
  request.reasoning.enabled = true;
  EXPECT_EQ(answer(request, "well</think>yes"), "thought(well)said(yes)");
  EXPECT_EQ(answer(request, "well<end>, </think>no"), "thought(well!,)said(no)");  // it cannot end there
  EXPECT_EQ(answer(request, "well</think>\n\nmaybe").substr(0, 14), "thought(well)s");
  request.reasoning.budget = 2;
  EXPECT_EQ(answer(request, "wel_no"), "thought(we)said(no)");
  // What is not read is held from the first token on.
  request.reasoning = {};
  request.form.read = false;
  EXPECT_EQ(answer(request, "no"), "said(no)");
}

TEST_F(AnswerTest, ACallThatIsRequired) {
  Request request = chat(true);
  request.form.tools = AnswerForm::Tools::required;
  const std::string wanted =
      "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Ulm\"}}\n</tool_call>";
  EXPECT_EQ(answer(request, wanted), "call(weather {\"city\": \"Ulm\"})");
  EXPECT_EQ(answer(request, "<think>x</think>\n" + wanted), "thought(x)call(weather {\"city\": \"Ulm\"})");
  // Whatever it wants to say, it is a call.
  request.form.parallel_tools = false;
  EXPECT_EQ(
      answer(request,
             "<think>no</think>I would rather not, not at all, never and nowhere; no, no, no, no, no, no"),
      "thought(no)call(weather {\"city\":\"Rom\"})");
  request.form.named_tool = "weather";
  EXPECT_EQ(answer(request, wanted), "call(weather {\"city\": \"Ulm\"})");
  request.form.named_tool = "other";
  EXPECT_EQ(answer(request, wanted).substr(0, 12), "tool_choice:");
}

TEST_F(AnswerTest, StrictArgumentsAreHeldToTheSchema) {
  Request request = chat(true);
  input(request).tools = weather_tool(true);
  const std::string begin = "free text <tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"";
  EXPECT_EQ(answer(request, begin + "Xyz\"}}\n</tool_call>").substr(0, 43),
            "said(free text)call(weather {\"city\": \"Rom\"}");
  input(request).tools = weather_tool(false);
  EXPECT_EQ(answer(request, begin + "Xyz\"}}\n</tool_call>"),
            "said(free text)call(weather {\"city\": \"Xyz\"})");
}

TEST_F(AnswerTest, AGrammarOrACall) {
  Request request = chat(true);
  input(request).tools = weather_tool(true);
  request.form.grammar = Grammar{.kind = text::GrammarKind::json_object, .text = {}};
  EXPECT_EQ(answer(request, "{\"a\": 1}"), "said({\"a\": 1})");
  EXPECT_EQ(
      answer(request, "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"X").substr(0, 27),
      "call(weather {\"city\": \"Rom\"");
}

/// A model whose calls are bare JSON: nothing marks where one begins.
class BareCallTest : public AnswerTest {
 protected:
  BareCallTest()
      : AnswerTest({{"<end>"}},
                   "{%- for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ tools }}"
                   "{%- if tools %}ipython {\"name\": , \"parameters\": }{% endif %}") {}
};

TEST_F(BareCallTest, StrictArgumentsAreHeldToTheSchemaAndTextIsFree) {
  Request request = chat(true);
  const std::string call = "{\"name\": \"weather\", \"parameters\": {\"city\": \"Xyz\"}}";
  EXPECT_EQ(answer(request, call), "call(weather {\"city\": \"Xyz\"})");
  input(request).tools = weather_tool(true);
  EXPECT_EQ(answer(request, call).substr(0, 28), "call(weather {\"city\": \"Rom\"}");
  EXPECT_EQ(answer(request, "No need: a set {1, 2} is no call.<end>"),
            "said(No need: a set {1, 2} is no call.)");
  EXPECT_EQ(finish_.stop_id, 256);
  request.form.tools = AnswerForm::Tools::none;
  EXPECT_EQ(answer(request, call), "said(" + call + ")");
}

/// A call's marker may be several tokens: once it has begun it is written out, so that nothing else slips in.
class SpelledMarkerTest : public AnswerTest {
 protected:
  SpelledMarkerTest() : AnswerTest({{"<end>"}, {"<think>", false}, {"</think>", false}}, kTemplate) {}
};

TEST_F(SpelledMarkerTest, IsWrittenOutBeforeACallInsteadOfAGrammar) {
  Request request = chat(true);
  request.form.grammar = Grammar{.kind = text::GrammarKind::json_object, .text = {}};
  EXPECT_EQ(answer(request, "{\"a\": 1}"), "said({\"a\": 1})");
  const std::string call = "\n{\"name\": \"weather\", \"arguments\": {\"city\": \"X\"}}\n</tool_call>";
  EXPECT_EQ(answer(request, "<tool_call>" + call), "call(weather {\"city\": \"X\"})");
  EXPECT_EQ(answer(request, "<htmlxxxxxx" + call), "call(weather {\"city\": \"X\"})");
}

TEST_F(AnswerTest, ToolsThatMakeNoSenseAreRefused) {
  const auto refusal = [&](const char* tools) {
    Request request = chat();
    input(request).tools = json::parse(tools).value();
    return answer(request, "x");
  };
  EXPECT_EQ(refusal("[]"), "said(x)");
  EXPECT_EQ(refusal("{}").substr(0, 6), "tools:");
  EXPECT_EQ(refusal("[{\"type\": \"web_search\"}]").substr(0, 16), "tools: tools[0]:");
  EXPECT_EQ(refusal(R"([{"type": "function", "function": {"name": ""}}])").substr(0, 6), "tools:");
  EXPECT_EQ(refusal(R"([{"type": "function", "function": {"name": "a"}},
                        {"type": "function", "function": {"name": "a"}}])"),
            "tools: tools[1]: there are two tools called \"a\"");
  EXPECT_EQ(refusal(R"([{"type": "function", "function": {"name": "a", "parameters": 3}}])").substr(0, 6),
            "tools:");
}

/// A model whose answers are messages in channels.
class ChannelTest : public AnswerTest {
 protected:
  ChannelTest()
      : AnswerTest(channel_markers(),
                   "{%- for m in messages %}<|start|>{{ m.role }}<|message|>"
                   "{{ m.content }}<|end|>{% endfor %}{{ tools }}"
                   "reasoning_effort={{ reasoning_effort }}"
                   "{#<|channel|>analysis#}<|start|>assistant") {}
  static std::vector<Marker> channel_markers() {
    std::vector<Marker> all;
    for (const char* text :
         {"<|return|>", "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>"})
      all.push_back({text, true});
    return all;
  }
  static constexpr const char* kThought = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant";
  static constexpr const char* kFinal = "<|channel|>final<|message|>";
};

TEST_F(ChannelTest, IsRead) {
  EXPECT_EQ(answer(chat(), std::string(kThought) + kFinal + "yes"), "thought(hm)said(yes)");
  EXPECT_EQ(
      answer(chat(true),
             std::string(kThought) +
                 "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{\"city\": \"X\"}"),
      "thought(hm)call(weather {\"city\": \"X\"})");
  Request request = chat();
  request.reasoning.effort = "low";
  EXPECT_EQ(answer(request, std::string(kFinal) + "yes"), "said(yes)");
  request.reasoning = {.enabled = false};
  EXPECT_EQ(answer(request, "").substr(0, 18), "reasoning.enabled:");
}

TEST_F(ChannelTest, ABudgetLeadsToTheAnswer) {
  Request request = chat();
  request.reasoning.budget = 3;
  // It wants to go on where the markers were written for it.
  const std::string markers = "<|end|><|start|>assistant<|channel|>final<|message|>";
  EXPECT_EQ(
      answer(request, "<|channel|>analysis<|message|>abc" + std::string(ids(markers).size(), '.') + "yes"),
      "thought(ab)said(.yes)");
}

TEST_F(ChannelTest, AGrammarHoldsTheAnswerBehindTheThought) {
  Request request = chat();
  request.form.grammar = Grammar{.kind = text::GrammarKind::regex, .text = "(yes|no)"};
  EXPECT_EQ(answer(request, std::string(kThought) + kFinal + "no way"), "thought(hm)said(no)");
  EXPECT_EQ(answer(request, std::string(kFinal) + "yes"), "said(yes)");
  request.reasoning.budget = 2;
  const std::string markers = "<|end|><|start|>assistant<|channel|>final<|message|>";
  EXPECT_EQ(
      answer(request, "<|channel|>analysis<|message|>a" + std::string(ids(markers).size(), '.') + "yes"),
      "thought(a)said(yes)");
}

TEST_F(ChannelTest, CallsAreHeldToTheSchema) {
  Request request = chat(true);
  const std::string call =
      "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{\"city\": \"";
  input(request).tools = weather_tool(true);
  EXPECT_EQ(answer(request, kThought + call + "Xyz\"}"), "thought(hm)call(weather {\"city\": \"Rom\"})");
  EXPECT_EQ(answer(request, kThought + std::string(kFinal) + "free"), "thought(hm)said(free)");
  request.form.tools = AnswerForm::Tools::required;
  EXPECT_EQ(answer(request, kThought + call + "Ulm\"}"), "thought(hm)call(weather {\"city\": \"Ulm\"})");
}

}  // namespace
}  // namespace varve::engine
