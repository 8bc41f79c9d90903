// Real questions with their accepted calls (400 of them), rendered by real templates and read back: same
// names, same arguments, of the types that the schema gives them.
#include "../text_support.h"
#include "support.h"
#include "text/chat_template.h"

namespace varve::text::syntax {
namespace {

struct Call {
  Tool tool;
  Table arguments;
};

/// The data set's own words for types.
void correct_types(Value& schema) {
  if (schema.is_array()) {
    for (Value& item : schema.array()) correct_types(item);
  }
  if (!schema.is_table()) return;
  for (auto& [key, value] : schema.table()) {
    if (key == "type" && value.is_text()) {
      const std::string& type = value.text();
      if (type == "dict") value = Value("object");
      if (type == "float") value = Value("number");
      if (type == "tuple") value = Value("array");
      if (type == "any") value = Value("string");
    } else {
      correct_types(value);
    }
  }
}

std::vector<Value> json_lines(const std::string& file) {
  std::vector<Value> all;
  std::ifstream lines(test::shared_data("tool_calls/" + file));
  for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line).value());
  return all;
}

/// Each question's call with the first accepted value of every parameter; "" stands for one that is left out.
std::vector<Call> accepted_calls() {
  const std::vector<Value> questions = json_lines("BFCL_v4_simple_python.json");
  const std::vector<Value> answers = json_lines("expected_simple_python.json");
  std::vector<Call> calls;
  for (size_t i = 0; i < questions.size(); ++i) {
    const Value& function = questions[i].find("function")->array().front();
    Value parameters = *function.find("parameters");
    correct_types(parameters);
    const auto& [name, accepted] = *answers[i].find("ground_truth")->array().front().table().begin();
    Call call{.tool = {.name = name, .parameters = parameters}, .arguments = {}};
    for (const auto& [parameter, values] : accepted.table()) {
      const Value& value = values.array().front();
      if (value != Value("")) call.arguments.set(parameter, value);
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

/// A conversation whose last turn is this call.
ChatInput conversation(const Call& call) {
  Table function;
  function.set("name", call.tool.name);
  function.set("arguments", call.arguments);
  Table tool_call;
  tool_call.set("id", "call00001");
  tool_call.set("type", "function");
  tool_call.set("function", function);
  Table user;
  user.set("role", "user");
  user.set("content", "Do it, please.");
  Table assistant;
  assistant.set("role", "assistant");
  assistant.set("content", "");
  assistant.set("tool_calls", Array{Value(tool_call)});
  ChatInput input;
  input.messages = {Value(user), Value(assistant)};
  Table described;
  described.set("name", call.tool.name);
  described.set("description", "A tool.");
  described.set("parameters", call.tool.parameters);
  Table offered;
  offered.set("type", "function");
  offered.set("function", described);
  input.tools = Array{Value(offered)};
  input.add_generation_prompt = false;
  return input;
}

/// Numbers by value: 7.0 and 7 are the same argument.
bool same(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.is_array() && b.is_array()) {
    return std::equal(a.array().begin(), a.array().end(), b.array().begin(), b.array().end(), same);
  }
  if (a.is_table() && b.is_table() && a.table().size() == b.table().size()) {
    return std::all_of(a.table().begin(), a.table().end(), [&](const auto& member) {
      const Value* other = b.find(member.first);
      return other && same(member.second, *other);
    });
  }
  return a == b;
}

class RoundTrip : public testing::TestWithParam<std::string> {};

TEST_P(RoundTrip, CallsComeBack) {
  VARVE_NEEDS(test::shared_data("tool_calls/BFCL_v4_simple_python.json"));
  const std::string file = GetParam() + ".jinja";
  const std::string source = read_text(test::shared_data("templates/" + file), 1 << 20);
  TextAssets assets;
  assets.chat_templates["default"] = source;
  assets.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  assets.origin = file;
  const ChatTemplates templates = ChatTemplates::load(assets);
  const SyntaxChoice choice = detect(source, {});
  const std::vector<Call> calls = accepted_calls();
  ASSERT_EQ(calls.size(), 400u);
  for (size_t i = 0; i < calls.size(); i += 5) {
    const Call& call = calls[i];
    const auto rendered = templates.render(conversation(call), {.epoch_seconds = 1'721'995'200});
    ASSERT_TRUE(rendered.ok()) << rendered.error().message;
    std::string turn = rendered.value().substr(rendered.value().rfind("Do it, please.") + 14);
    const std::string role = "<|start|>assistant";
    if (const size_t at = turn.find(role); at != std::string::npos) turn = turn.substr(at + role.size());
    const ToolSet tools({call.tool});
    const auto pieces = read_whole(choice, {.tools = &tools}, turn);
    expect_well_formed(pieces);
    std::string arguments;
    int complete = 0;
    for (const Piece& piece : pieces) {
      const auto* start = std::get_if<ToolStartPiece>(&piece);
      EXPECT_EQ(start ? start->name : call.tool.name, call.tool.name);
      if (const auto* delta = std::get_if<ToolArgumentsPiece>(&piece)) arguments += delta->json_delta;
      if (const auto* end = std::get_if<ToolEndPiece>(&piece)) complete += end->complete ? 1 : 0;
    }
    ASSERT_EQ(complete, 1) << turn << "\n" << show(pieces);
    EXPECT_TRUE(same(json::parse(arguments).value(), Value(call.arguments)))
        << json::dump(Value(call.arguments)) << "\n"
        << arguments << "\n"
        << turn;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Templates, RoundTrip,
    testing::Values("Apertus-8B-Instruct", "Bielik-11B-v3.0-Instruct", "ByteDance-Seed-OSS", "Cohere2MoE",
                    "CohereForAI-c4ai-command-r7b-12-2024-tool_use", "GLM-4.6", "GLM-4.7-Flash", "GLM-5.2",
                    "GigaChat3-10B-A1.8B", "GigaChat3.1-10B-A1.8B", "MiMo-VL",
                    "Mistral-Small-3.2-24B-Instruct-2506", "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
                    "Qwen-QwQ-32B", "Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B", "Qwen3-Coder",
                    "Qwen3.5-4B", "Reka-Edge", "StepFun3.5-Flash", "deepseek-ai-DeepSeek-V3.1",
                    "deepseek-ai-DeepSeek-V3.2", "deepseek-ai-DeepSeek-V4", "google-gemma-4-31B-it",
                    "meta-llama-Llama-3.1-8B-Instruct", "meta-llama-Llama-3.2-3B-Instruct",
                    "mistralai-Ministral-3-14B-Reasoning-2512", "mistralai-Mistral-Nemo-Instruct-2407",
                    "moonshotai-Kimi-K2", "openai-gpt-oss-120b", "unsloth-Apriel-1.5",
                    "unsloth-mistral-Devstral-Small-2507"),
    [](const auto& tested) {
      std::string name = tested.param;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; },
          '_');
      return name;
    });

}  // namespace
}  // namespace varve::text::syntax
