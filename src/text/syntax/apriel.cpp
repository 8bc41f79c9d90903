#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_apriel(std::vector<ToolSyntax>& list) {
  JsonForm form = {.close = {"</tool_calls>"},
                   .list = true,
                   .opening = "<tool_calls>[",
                   .between = ", ",
                   .closing = "]</tool_calls>"};
  list.push_back({.name = "apriel",
                  .about = "Apriel: a JSON list in <tool_calls>",
                  .openers = {{.text = "<tool_calls>"}},
                  .forms = {form},
                  .shown = {"<tool_calls>", "</tool_calls>"},
                  .signs = {{"<tool_calls>"}},
                  .token = "<tool_calls>"});
}

}  // namespace varve::text::syntax
