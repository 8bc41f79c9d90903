// Any chat template over one conversation with tools: it renders or is refused, within its limits.
#include <string_view>

#include "core/error.h"
#include "core/json.h"
#include "text/chat_template.h"

namespace {

const varve::Table& conversation() {
  static const varve::Value kContext = varve::json::parse(R"({"messages": [
      {"role": "system", "content": "Be brief."}, {"role": "user", "content": "a <b> \"c\" \u00e9\n"},
      {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function",
       "function": {"name": "f", "arguments": {"x": [1, 2.5, null, true]}}}]},
      {"role": "tool", "tool_call_id": "1", "name": "f", "content": "{}"}],
      "tools": [{"type": "function", "function": {"name": "f", "description": "d",
       "parameters": {"type": "object", "properties": {"x": {"type": "array"}}}}}],
      "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "enable_thinking": false})")
                                           .value();
  return kContext.table();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto compiled =
        varve::text::ChatTemplate::compile({reinterpret_cast<const char*>(data), size}, "fuzz");
    const auto text = compiled.render(conversation(), {.epoch_seconds = 0});
    varve::check(text.ok() || !text.error().message.empty(), "a refusal says why");
  } catch (const varve::LoadError&) {  // it does not parse
  }
  return 0;
}
