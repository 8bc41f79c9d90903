#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_minimax(std::vector<ToolSyntax>& list) {
  TagForm form = {.call_open = "<invoke name=\"",
                  .name_end = {"\">"},
                  .parameter_open = "<parameter name=\"",
                  .parameter_name_end = {{"\">"}},
                  .value_close = "</parameter>",
                  .call_close = "</invoke>",
                  .close = {"</minimax:tool_call>"},
                  .opening = "<minimax:tool_call>\n",
                  .name_written = "\">",
                  .before_parameter = "\n",
                  .before_call_close = "\n",
                  .between = "\n",
                  .closing = "\n</minimax:tool_call>"};
  list.push_back({.name = "minimax_m2",
                  .about = "MiniMax M2: <invoke name=...> with a tag for each parameter",
                  .openers = {{.text = "<minimax:tool_call>"}},
                  .forms = {form},
                  .shown = {"<minimax:tool_call>", "</minimax:tool_call>"},
                  .signs = {{"minimax:tool_call>"}},
                  .token = "<minimax:tool_call>"});
}

}  // namespace varve::text::syntax
