// Tokens -> pieces, however the text is cut into tokens.
#include "engine/answer_text.h"

#include <gtest/gtest.h>

#include <random>

namespace varve::engine {
namespace {

using text::syntax::ReasoningPiece;
using text::syntax::TextPiece;

/// Token i is the i-th part of a text.
class Parts final : public TextDecoder {
 public:
  explicit Parts(std::vector<std::string> parts) : parts_(std::move(parts)) {}
  std::string push(int32_t id) override { return parts_.at(static_cast<size_t>(id)); }
  std::string finish() override { return {}; }

 private:
  std::vector<std::string> parts_;
};

const ModelSyntax& syntax() {
  static const ModelSyntax kSyntax{
      .choice = text::syntax::override_syntax(text::syntax::detect("", {}), "hermes", "think").value(),
      .hidden_markers = {{.id = 1000, .content = "<tool_call>", .special = true, .control = true}}};
  return kSyntax;
}

struct Read {
  std::vector<Piece> pieces;
  std::string stop;
  bool operator==(const Read&) const = default;
};

Read read(const std::vector<std::string>& parts, const text::syntax::ToolSet& tools) {
  AnswerText text(std::make_unique<Parts>(parts), {"END", "DONE."}, {.syntax = &syntax(), .tools = &tools});
  Read out;
  for (size_t i = 0; i < parts.size() && !text.ended(); ++i) text.push(static_cast<int32_t>(i), out.pieces);
  text.finish(out.pieces);
  out.stop = text.stop_found();
  return out;
}

TEST(AnswerText, CutAtEveryByteAndAnyhow) {
  const text::syntax::ToolSet tools(std::vector<text::syntax::Tool>{{.name = "f", .parameters = {}}});
  const std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"END\"}}\n</tool_call>";
  std::mt19937 random(1);
  const std::vector<std::string> texts = {"<think>END</think>so DON" + call + "E. it is DONE. more",
                                          "E" + call + "ND",
                                          std::string("EN"),
                                          "<think>never closed END",
                                          "DONE" + call,
                                          "a <tool_call> b END"};
  for (const std::string& whole : texts) {
    const Read once = read({whole}, tools);
    std::vector<std::string> bytes;
    for (const char c : whole) bytes.emplace_back(1, c);
    EXPECT_EQ(read(bytes, tools), once) << whole;
    for (int round = 0; round < 50; ++round) {
      std::vector<std::string> parts(1);
      for (const char c : whole) {
        if (random() % 4 == 0) parts.emplace_back();
        parts.back() += c;
      }
      EXPECT_EQ(read(parts, tools), once) << whole;
    }
  }
}

TEST(AnswerText, AStopStringDoesNotReachAcrossACall) {
  const text::syntax::ToolSet tools(std::vector<text::syntax::Tool>{{.name = "f", .parameters = {}}});
  const std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
  const Read answer = read({"E", call, "ND"}, tools);
  EXPECT_EQ(answer.stop, "");
  EXPECT_EQ(answer.pieces.front(), Piece(TextPiece{"E"}));
  EXPECT_EQ(answer.pieces.back(), Piece(TextPiece{"ND"}));
}

TEST(MarkerFilterTest, TakesOutAsManyAsTokensWrote) {
  const std::vector<text::AddedToken> markers = {{.id = 7, .content = "<m>", .special = true}};
  MarkerFilter filter(markers);
  EXPECT_EQ(filter.push("a <m> b"), "a <m> b");  // spelled
  filter.token(7);
  filter.token(8);
  EXPECT_EQ(filter.push("x <"), "x ");
  EXPECT_EQ(filter.push("m"), "");
  EXPECT_EQ(filter.push("> y <m>"), " y <m>");
  filter.token(7);
  EXPECT_EQ(filter.push("z <m"), "z ");
  EXPECT_EQ(filter.finish(), "<m");
}

}  // namespace
}  // namespace varve::engine
