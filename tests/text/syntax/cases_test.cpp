// Every answer of tests/cases/syntax gives the pieces that stand there, however it is cut.
#include <random>
#include <set>

#include "support.h"

namespace varve::text::syntax {
namespace {

class SyntaxCases : public testing::TestWithParam<std::filesystem::path> {
 protected:
  static ReadOptions options_of(const Case& one, bool streaming) {
    return {.tools = &offered_tools(),
            .only_offered = !one.any_tool,
            .stream_arguments = streaming,
            .in_thought = one.in_thought};
  }

  template <class Check>
  void each(Check check) {
    const CaseFile file = read_cases(GetParam());
    ASSERT_FALSE(file.cases.empty());
    for (const Case& one : file.cases) {
      for (const bool streaming : {true, false}) {
        SCOPED_TRACE(one.name + (streaming ? "" : " (whole calls)"));
        check(file.choice, one, options_of(one, streaming));
      }
    }
  }
};

TEST_P(SyntaxCases, GiveThesePieces) {
  each([](const SyntaxChoice& choice, const Case& one, const ReadOptions& options) {
    const bool whole = !options.stream_arguments && !one.expected_whole.empty();
    const auto pieces = read_whole(choice, options, one.input);
    EXPECT_EQ(show(pieces), whole ? one.expected_whole : one.expected) << one.input;
    expect_well_formed(pieces);
  });
}

TEST_P(SyntaxCases, DoNotDependOnTheCuts) {
  each([](const SyntaxChoice& choice, const Case& one, const ReadOptions& options) {
    const auto expected = read_whole(choice, options, one.input);
    std::vector<size_t> every;
    for (size_t at = 0; at <= one.input.size(); ++at) {
      EXPECT_EQ(show(read_cut(choice, options, one.input, {at})), show(expected)) << "cut at " << at;
      every.push_back(at);
    }
    EXPECT_EQ(show(read_cut(choice, options, one.input, every)), show(expected)) << "cut everywhere";
    std::mt19937 random(1);
    for (int i = 0; i < 20; ++i) {
      std::vector<size_t> some;
      std::sample(every.begin(), every.end(), std::back_inserter(some), every.size() / 5, random);
      EXPECT_EQ(show(read_cut(choice, options, one.input, some)), show(expected));
    }
  });
}

TEST_P(SyntaxCases, AreWellFormedWhereverTheAnswerEnds) {
  each([](const SyntaxChoice& choice, const Case& one, const ReadOptions& options) {
    for (size_t end = 0; end <= one.input.size(); ++end) {
      SCOPED_TRACE(one.input.substr(0, end));
      expect_well_formed(read_whole(choice, options, one.input.substr(0, end)));
    }
  });
}

// Whole characters in, whole characters out.
TEST_P(SyntaxCases, PiecesAreWholeCharacters) {
  each([](const SyntaxChoice& choice, const Case& one, const ReadOptions& options) {
    const auto reader = make_reader(choice, options);
    std::vector<Piece> out;
    for (size_t at = 0; at < one.input.size();) {
      size_t end = at + 1;
      while (end < one.input.size() && (static_cast<unsigned char>(one.input[end]) & 0xC0) == 0x80) ++end;
      out.clear();
      reader->push(std::string_view(one.input).substr(at, end - at), out);
      // dump() would replace what is no UTF-8.
      const std::string shown = show(out);
      EXPECT_EQ(shown.find("\xEF\xBF\xBD"), std::string::npos) << shown;
      at = end;
    }
  });
}

std::string name_of(const testing::TestParamInfo<std::filesystem::path>& tested) {
  return tested.param.stem().string();
}

INSTANTIATE_TEST_SUITE_P(Files, SyntaxCases, testing::ValuesIn(case_files()), name_of);

TEST(SyntaxRegistry, EverySyntaxHasCases) {
  std::set<std::string> tools;
  std::set<std::string> reasoning;
  for (const auto& path : case_files()) {
    const CaseFile file = read_cases(path);
    tools.insert(file.choice.tools->name);
    reasoning.insert(file.choice.reasoning->name);
  }
  for (const ToolSyntax& syntax : tool_syntaxes()) EXPECT_TRUE(tools.contains(syntax.name)) << syntax.name;
  for (const ReasoningSyntax& syntax : reasoning_syntaxes())
    EXPECT_TRUE(reasoning.contains(syntax.name)) << syntax.name;
}

}  // namespace
}  // namespace varve::text::syntax
