#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_lfm(std::vector<ToolSyntax>& list) {
  PythonForm python = {.close = {"<|tool_call_end|>"},
                       .opening = "<|tool_call_start|>[",
                       .between = ", ",
                       .closing = "]<|tool_call_end|>"};
  list.push_back({.name = "lfm2",
                  .about = "LFM2: a Python list of calls between <|tool_call_start|> and <|tool_call_end|>",
                  .openers = {{.text = "<|tool_call_start|>"}},
                  .forms = {python, JsonForm{.close = {"<|tool_call_end|>"}}},
                  .shown = {"<|tool_call_start|>", "<|tool_call_end|>"},
                  .signs = {{"<|tool_call_start|>"}, {"<|tool_list_start|>"}, {"List of tools: ["}},
                  .token = "<|tool_call_start|>"});
}

}  // namespace varve::text::syntax
