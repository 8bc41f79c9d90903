#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_granite(std::vector<ToolSyntax>& list) {
  JsonForm form = {.close = {"<|end_of_tool_call|>"},
                   .list = true,
                   .opening = "<|tool_call|>[",
                   .between = ", ",
                   .closing = "]"};
  list.push_back({.name = "granite",
                  .about = "Granite 3: <|tool_call|> and a JSON list",
                  .openers = {{.text = "<|tool_call|>"}, {.text = "<tool_call>"}},
                  .forms = {form},
                  .shown = {"<|tool_call|>"},
                  .signs = {{"<|tool_call|>", "<|start_of_role|>"}}});
}

}  // namespace varve::text::syntax
