// Where an answer stands: in a thought, in a call that a grammar may take over.
#include "support.h"
#include "text/syntax/tool_grammar.h"
#include "text/text_support.h"

namespace varve::text::syntax {
namespace {

const ToolSet& weather() {
  static const ToolSet kTools({{.name = "weather",
                                .parameters = json::parse(R"({"type": "object",
      "properties": {"city": {"type": "string"}}, "required": ["city"]})")
                                                  .value()}});
  return kTools;
}

TEST(Place, InThought) {
  const SyntaxChoice choice = override_syntax(detect("", {}), "hermes", "think").value();
  const auto reader = make_reader(choice, {});
  std::vector<Piece> out;
  const auto after = [&](std::string_view text) {
    reader->push(text, out);
    return reader->in_thought();
  };
  EXPECT_FALSE(after(""));
  EXPECT_FALSE(after("<thi"));
  EXPECT_TRUE(after("nk>"));
  EXPECT_TRUE(after("a < b </thin"));
  EXPECT_FALSE(after("k>"));
  EXPECT_FALSE(after("so <think>"));  // it speaks of the marker
  EXPECT_TRUE(make_reader(choice, {.in_thought = true})->in_thought());
}

/// Behind the marker that begins a call, what was read of it is the beginning of what the grammar of the same
/// syntax accepts, so that the grammar can go on from there.
TEST(Place, AGrammarCanTakeOverEveryCallThatHasAMarker) {
  const Tokenizer& tokenizer = shared_tokenizer("gpt2");
  const Grammars grammars = grammars_for(tokenizer);
  int tried = 0;
  for (const ToolSyntax& syntax : tool_syntaxes()) {
    const bool channels = std::holds_alternative<ChannelForm>(syntax.forms.front());
    const bool bracket = std::any_of(syntax.openers.begin(), syntax.openers.end(),
                                     [](const Opener& opener) { return opener.text.size() == 1; });
    if (!channels && (syntax.openers.empty() || bracket || syntax.begins_open)) continue;
    const SyntaxChoice choice =
        override_syntax(detect("", {}), syntax.name, channels ? "harmony" : "none").value();
    const std::string marker =
        channels ? "<|channel|>analysis to=functions.weather<|message|>" : syntax.openers.front().text;
    const auto reader = make_reader(choice, {.tools = &weather()});
    std::vector<Piece> out;
    for (const char c : marker) {
      EXPECT_EQ(reader->open_call(), "") << syntax.name;
      reader->push(std::string_view(&c, 1), out);
    }
    const std::string open = reader->open_call();
    EXPECT_NE(open, "") << syntax.name;
    const auto grammar = tool_grammar(choice, {.tools = &weather(), .named = {}, .vocabulary = {}});
    ASSERT_TRUE(grammar.ok()) << syntax.name;
    auto constraint = grammars.compile(GrammarKind::lark, grammar.value());
    ASSERT_TRUE(constraint.ok()) << syntax.name << ": " << constraint.error().message;
    for (const int32_t id : encode(tokenizer, open))
      ASSERT_TRUE(constraint.value().consume(id).ok()) << syntax.name << ": " << open << "\n"
                                                       << grammar.value();
    ++tried;
  }
  EXPECT_GT(tried, 12);
}

}  // namespace
}  // namespace varve::text::syntax
