#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_pythonic(std::vector<ToolSyntax>& list) {
  PythonForm form = {.close = {"<|python_end|>"}, .opening = "[", .between = ", ", .closing = "]"};
  list.push_back(
      {.name = "pythonic",
       .about = "Llama 3.2 and 4, and others: a Python list of calls",
       .openers = {{.text = "<|python_start|>"}, {.text = "[", .bare = true, .at_line_start = true}},
       .forms = {form, JsonForm{.strict = true, .close = {"<|python_end|>"}}},
       .shown = {"<|python_start|>", "<|python_end|>"},
       .signs = {{"<|python_start|>"}, {"[func_name1(params_name1=params_value1"}},
       .token = "<|python_start|>"});
}

}  // namespace varve::text::syntax
