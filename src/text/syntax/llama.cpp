#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_llama(std::vector<ToolSyntax>& list) {
  JsonForm json = {.strict = true, .arguments_key = "parameters", .between = "; "};
  list.push_back({.name = "llama3",
                  .about = "Llama 3.1 to 3.3: a JSON object with parameters, after <|python_tag|> or alone",
                  .openers = {{.text = "<|python_tag|>"},
                              {.text = "{", .bare = true, .at_line_start = true},
                              {.text = "[", .bare = true, .at_line_start = true}},
                  .forms = {json, PythonForm{.method = ".call"}},
                  .shown = {"<|python_tag|>"},
                  .signs = {{"<|python_tag|>"}, {"ipython", "\"parameters\""}, {"ipython", "parameters"}},
                  .token = "<|python_tag|>"});
}

}  // namespace varve::text::syntax
