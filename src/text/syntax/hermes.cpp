#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_hermes(std::vector<ToolSyntax>& list) {
  JsonForm form = {
      .close = {"</tool_call>"}, .opening = "<tool_call>\n", .between = "\n", .closing = "\n</tool_call>"};
  list.push_back({.name = "hermes",
                  .about = "Hermes, Qwen 2.5 and 3, SmolLM3, Granite 4: a JSON object in <tool_call>",
                  .openers = {{.text = "<tool_call>"}},
                  .forms = {form},
                  .shown = {"<tool_call>", "</tool_call>"},
                  .signs = {{"<tool_call>"}},
                  .token = "<tool_call>"});
}

}  // namespace varve::text::syntax
