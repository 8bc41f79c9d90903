// What is found out about real templates, and that conversations in the form so found render with them.
#include "http/chat_traits.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "http/conversation.h"
#include "protocol_support.h"
#include "support/data.h"

namespace varve::http {

namespace {

text::ChatTemplates templates_of(const std::string& source) {
  text::TextAssets assets;
  assets.chat_templates["default"] = source;
  assets.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  assets.origin = "test";
  return text::ChatTemplates::load(assets);
}

text::ChatTemplates real(const std::string& name) {
  return templates_of(read_text(test::shared_data("templates/" + name), 1 << 20));
}

std::vector<Turn> long_conversation() {
  using Role = Turn::Role;
  return {
      {.role = Role::system, .text = "needle-rules"},
      {.role = Role::user, .text = "needle-one"},
      {.role = Role::assistant,
       .text = "needle-text",
       .reasoning = "needle-thought",
       .calls = {{.id = "call_0123456789abcdef", .name = "f", .arguments = R"({"key": "needle-value"})"}}},
      {.role = Role::tool, .text = "needle-result", .call_id = "call_0123456789abcdef"},
      {.role = Role::system, .text = "needle-note"},
      {.role = Role::assistant, .text = "needle-two"},
      {.role = Role::user, .text = "needle-three"}};
}

}  // namespace

TEST(ChatTraits, WithoutATemplateTheyAreTheDefaults) {
  const ChatTraits traits = chat_traits(text::ChatTemplates::load({}));
  EXPECT_TRUE(traits.system && traits.late_system && traits.object_arguments);
  EXPECT_FALSE(traits.short_call_ids || traits.effort || traits.thinks);
}

TEST(ChatTraits, AreFoundByRendering) {
  const std::string base = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}";
  EXPECT_TRUE(chat_traits(templates_of(base)).late_system);
  const auto first_only = chat_traits(templates_of(
      "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('no') }}"
      "{% endif %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"));
  EXPECT_TRUE(first_only.system);
  EXPECT_FALSE(first_only.late_system);
  // Moving it to the front is no place for a late message either.
  const auto hoists =
      chat_traits(templates_of("{% for m in messages if m.role == 'system' %}{{ m.content }}\n{% endfor %}"
                               "{% for m in messages if m.role != 'system' %}{{ m.content }}\n{% endfor %}"));
  EXPECT_FALSE(hoists.late_system);
  const auto effort = chat_traits(templates_of(base + "{{ reasoning_effort | default('medium') }}"));
  EXPECT_TRUE(effort.effort && effort.thinks);
  EXPECT_FALSE(effort.thinking_switch);
}

TEST(ChatTraits, OfRealTemplates) {
  VARVE_NEEDS(test::shared_data("templates/expected.jsonl"));
  EXPECT_TRUE(chat_traits(real("mistralai-Mistral-Nemo-Instruct-2407.jinja")).short_call_ids);
  EXPECT_FALSE(chat_traits(real("google-gemma-2-2b-it.jinja")).system);
  EXPECT_FALSE(chat_traits(real("Qwen3.5-4B.jinja")).late_system);
  EXPECT_FALSE(chat_traits(real("meetkai-functionary-medium-v3.2.jinja")).object_arguments);
  const ChatTraits qwen = chat_traits(real("Qwen-Qwen3-0.6B.jinja"));
  EXPECT_TRUE(qwen.thinking_switch && qwen.object_arguments && qwen.late_system);
  EXPECT_EQ(qwen.reasoning_member, "reasoning_content");
  EXPECT_TRUE(chat_traits(real("deepseek-ai-DeepSeek-V3.1.jinja")).thinking_switch);
  const ChatTraits oss = chat_traits(real("openai-gpt-oss-120b.jinja"));
  EXPECT_TRUE(oss.effort && oss.content_or_reasoning);
  EXPECT_EQ(oss.reasoning_member, "thinking");
  const ChatTraits plain = chat_traits(real("Qwen-Qwen2.5-7B-Instruct.jinja"));
  EXPECT_FALSE(plain.thinks);
  EXPECT_TRUE(plain.late_system);
}

// A template that shows calls at all takes a conversation with everything in it, and shows the text of each
// turn in order; the note never comes before what it follows.
TEST(ChatTraits, ConversationsRender) {
  const auto folder = test::shared_data("templates");
  VARVE_NEEDS(folder);
  const Value about("does");
  const Value parameters = parsed(R"({"type": "object", "properties": {}, "required": []})");
  int rendered = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    SCOPED_TRACE(entry.path().filename().string());
    const text::ChatTemplates templates = real(entry.path().filename().string());
    const ChatTraits traits = chat_traits(templates);
    const Value tools(Array{function_tool("f", &about, &parameters, nullptr)});
    const auto input = chat_input(long_conversation(), tools, traits);
    const Result<std::string> text = templates.render(input, {.epoch_seconds = 1, .utc_offset_seconds = 0});
    if (!text.ok()) continue;
    ++rendered;
    const std::string& out = text.value();
    const size_t note = out.find("needle-note");
    if (note == std::string::npos) continue;
    EXPECT_LT(out.find("needle-one"), note);
    EXPECT_GT(out.find("needle-three"), note);
  }
  EXPECT_GE(rendered, 35);
}

}  // namespace varve::http
