#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_apertus(std::vector<ToolSyntax>& list) {
  JsonForm form = {.name_is_key = true,
                   .close = {"<|tools_suffix|>"},
                   .list = true,
                   .opening = "<|tools_prefix|>[",
                   .between = ", ",
                   .closing = "]<|tools_suffix|>"};
  list.push_back({.name = "apertus",
                  .about = "Apertus: a JSON list of {name: arguments}",
                  .openers = {{.text = "<|tools_prefix|>"}},
                  .forms = {form},
                  .shown = {"<|tools_prefix|>", "<|tools_suffix|>"},
                  .signs = {{"<|tools_prefix|>"}},
                  .token = "<|tools_prefix|>"});
}

}  // namespace varve::text::syntax
