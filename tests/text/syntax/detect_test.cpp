// Which syntax a model writes, from real chat templates and vocabularies, and what such templates render read
// back.
#include <map>
#include <set>

#include "../text_support.h"
#include "support.h"
#include "text/chat_template.h"

namespace varve::text::syntax {
namespace {

struct Expected {
  std::string tools;
  std::string reasoning;
  bool open = false;
};

/// tests/cases/syntax/templates.table: a template's file, its tools, its reasoning, and "open" where it can
/// end the prompt inside a thought.
std::map<std::string, Expected> table() {
  std::map<std::string, Expected> all;
  std::istringstream lines(read_text(test::source_dir() / "tests/cases/syntax/templates.table", 1 << 20));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string file;
    std::string open;
    Expected one;
    words >> file >> one.tools >> one.reasoning >> open;
    one.open = open == "open";
    all[file] = one;
  }
  return all;
}

SyntaxChoice detect_file(const std::string& file) {
  return detect(read_text(test::shared_data("templates/" + file), 1 << 20), {});
}

TEST(SyntaxDetection, RealTemplates) {
  VARVE_NEEDS(test::shared_data("templates"));
  std::set<std::string> seen;
  const auto expected = table();
  for (const auto& entry : std::filesystem::directory_iterator(test::shared_data("templates"))) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string file = entry.path().filename();
    ASSERT_TRUE(expected.contains(file)) << file << " has no line in the table";
    const SyntaxChoice choice = detect_file(file);
    EXPECT_EQ(choice.tools->name, expected.at(file).tools) << file;
    EXPECT_EQ(choice.reasoning->name, expected.at(file).reasoning) << file;
    EXPECT_EQ(choice.reasoning_open_in_prompt, expected.at(file).open) << file;
    seen.insert(file);
  }
  EXPECT_EQ(seen.size(), expected.size());
}

/// expected.jsonl: what templates render, as maps of case to text.
std::map<std::string, std::map<std::string, std::string>> renderings() {
  std::map<std::string, std::map<std::string, std::string>> all;
  std::ifstream lines(test::shared_data("templates/expected.jsonl"));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const Value one = json::parse(line).value();
    if (const Value* output = one.find("output")) {
      all[one.find("template")->text()][one.find("case")->text()] = output->text();
    }
  }
  return all;
}

// What the template's text promises, some prompt keeps; and no prompt opens a thought without that promise.
TEST(SyntaxDetection, PromptsThatEndInsideAThought) {
  VARVE_NEEDS(test::shared_data("templates"));
  for (const auto& [file, cases] : renderings()) {
    const SyntaxChoice choice = detect_file(file);
    bool some = false;
    for (const auto& [name, prompt] : cases) some |= opens_thought(*choice.reasoning, prompt);
    EXPECT_EQ(some, choice.reasoning_open_in_prompt) << file;
  }
}

// The templates show calls of earlier turns as the model writes them: the reader must find the same calls.
TEST(SyntaxDetection, CallsThatTemplatesRenderAreReadBack) {
  VARVE_NEEDS(test::shared_data("templates"));
  const std::string question = "What's the weather in Zürich?";
  // Templates that leave the calls of earlier turns out, or those without text.
  const std::set<std::string> kLeaveOut = {"HuggingFaceTB-SmolLM3-3B.jinja",
                                           "LFM2-8B-A1B.jinja",
                                           "LFM2.5-Instruct.jinja",
                                           "deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja",
                                           "llama-cpp-rwkv-world.jinja",
                                           "ibm-granite-granite-3.3-2B-Instruct.jinja",
                                           "microsoft-Phi-3.5-mini-instruct.jinja"};
  int found = 0;
  for (const auto& [file, cases] : renderings()) {
    if (!cases.contains("tool_round_obj") || kLeaveOut.contains(file)) continue;
    const SyntaxChoice choice = detect_file(file);
    const std::string& whole = cases.at("tool_round_obj");
    std::string turn = whole.substr(whole.rfind(question) + question.size());
    // Channels and recipients: an answer begins behind the role.
    const size_t role = turn.find("<|start|>assistant");
    if (role != std::string::npos) turn = turn.substr(role + std::string("<|start|>assistant").size());
    const auto pieces = read_whole(choice, {.tools = &offered_tools()}, turn);
    std::string calls;
    std::istringstream lines(show(pieces));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("call ")) calls += line;
    }
    const size_t arguments = calls.find('{');
    ASSERT_NE(arguments, std::string::npos) << file << "\n" << turn << "\n" << show(pieces);
    EXPECT_TRUE(calls.starts_with("call get_weather")) << file;
    const auto parsed = json::parse(calls.substr(arguments));
    ASSERT_TRUE(parsed.ok()) << file << calls;
    EXPECT_EQ(json::dump(parsed.value()), R"({"city":"Zürich","unit":"celsius"})") << file;
    ++found;
  }
  EXPECT_GE(found, 34);
}

TEST(SyntaxDetection, VocabulariesSpeakWhereTheTemplateDoesNot) {
  VARVE_NEEDS(tokenizer_dir("mistral"));
  const auto tools = [](const std::string& chat_template, const std::string& tokenizer) {
    return detect(chat_template, shared_tokenizer(tokenizer).added_tokens()).tools->name;
  };
  EXPECT_EQ(tools("", "mistral"), "mistral");
  EXPECT_EQ(tools("", "llama3"), "llama3");
  EXPECT_EQ(tools("", "qwen2.5"), "hermes");
  EXPECT_EQ(tools("{{ tools }}", "qwen2.5"), "hermes") << "rather than just JSON";
  EXPECT_EQ(tools("{{ tools }}", "gpt2"), "json");
  EXPECT_EQ(tools("", "gpt2"), "none");
  EXPECT_EQ(tools("<|START_ACTION|>", "llama3"), "command") << "the template comes first";
  const std::vector<AddedToken> thinks = {{.content = "<think>"}, {.content = "</think>"}};
  EXPECT_EQ(detect("", thinks).reasoning->name, "think");
  EXPECT_EQ(detect("", {}).reasoning->name, "none");
}

TEST(SyntaxDetection, NamesOverrideAndUnknownOnesAreListed) {
  const SyntaxChoice found = detect("<tool_call> <think>", {});
  EXPECT_EQ(override_syntax(found, "", "").value().tools->name, "hermes");
  const SyntaxChoice other = override_syntax(found, "glm4", "mistral").value();
  EXPECT_EQ(other.tools->name, "glm4");
  EXPECT_EQ(other.reasoning->name, "mistral");
  const auto unknown = override_syntax(found, "hermse", "");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message.find("did you mean \"hermes\"?"), std::string::npos)
      << unknown.error().message;
  EXPECT_NE(unknown.error().message.find("kimi_k2"), std::string::npos);
  EXPECT_FALSE(override_syntax(found, "", "thinking hard").ok());
}

TEST(SyntaxDetection, NamesAreUniqueAndMarkersAreShown) {
  std::set<std::string> names;
  for (const ToolSyntax& syntax : tool_syntaxes()) {
    EXPECT_TRUE(names.insert(syntax.name).second) << syntax.name;
    EXPECT_FALSE(syntax.about.empty()) << syntax.name;
    EXPECT_FALSE(syntax.forms.empty()) << syntax.name;
  }
  const SyntaxChoice choice = detect("<|START_THINKING|> <|START_ACTION|>", {});
  const std::vector<std::string> shown = choice.shown_tokens();
  for (const char* marker :
       {"<|START_ACTION|>", "<|END_ACTION|>", "<|START_THINKING|>", "<|END_RESPONSE|>"}) {
    EXPECT_NE(std::find(shown.begin(), shown.end(), marker), shown.end()) << marker;
  }
}

}  // namespace
}  // namespace varve::text::syntax
