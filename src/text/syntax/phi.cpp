#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_phi(std::vector<ToolSyntax>& list) {
  JsonForm markers = {.close = {"<|/tool_call|>"},
                      .list = true,
                      .opening = "<|tool_call|>[",
                      .between = ", ",
                      .closing = "]<|/tool_call|>"};
  list.push_back({.name = "phi4",
                  .about = "Phi-4-mini: <|tool_call|>, a JSON list, <|/tool_call|>",
                  .openers = {{.text = "<|tool_call|>"}, {.text = "functools"}},
                  .forms = {markers},
                  .shown = {"<|tool_call|>", "<|/tool_call|>"},
                  .signs = {{"<|tool_call|>"}, {"<|tool|>", "<|/tool|>"}},
                  .token = "<|tool_call|>"});
  list.push_back({.name = "functools",
                  .about = "Phi-4-mini and Firefunction: functools and a JSON list",
                  .openers = {{.text = "functools"}, {.text = "<|tool_call|>"}},
                  .forms = {JsonForm{.close = {"<|/tool_call|>"},
                                     .list = true,
                                     .opening = "functools[",
                                     .between = ", ",
                                     .closing = "]"}},
                  .shown = {"<|tool_call|>", "<|/tool_call|>"},
                  .signs = {{"functools"}}});
}

}  // namespace varve::text::syntax
