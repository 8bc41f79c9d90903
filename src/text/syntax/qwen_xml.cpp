#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

namespace {

TagForm tags(const std::string& block, bool on_lines) {
  return {.call_open = "<function=",
          .name_end = {">"},
          .parameter_open = "<parameter=",
          .parameter_name_end = {{">"}},
          .value_close = "</parameter>",
          .call_close = "</function>",
          .close = {"</" + block + ">"},
          .values_on_lines = on_lines,
          .opening = "<" + block + ">\n",
          .name_written = ">",
          .before_parameter = "\n",
          .before_call_close = "\n",
          .between = "\n",
          .closing = "\n</" + block + ">",
          .separate_blocks = true};
}

}  // namespace

void add_qwen_xml(std::vector<ToolSyntax>& list) {
  list.push_back(
      {.name = "seed",
       .about = "Seed-OSS: <function=...> in <seed:tool_call>",
       .openers = {{.text = "<seed:tool_call>"}, {.text = "<function=", .bare = true, .at_line_start = true}},
       .forms = {tags("seed:tool_call", false)},
       .shown = {"<seed:tool_call>", "</seed:tool_call>"},
       .signs = {{"seed:tool_call"}},
       .token = "<seed:tool_call>"});
  list.push_back(
      {.name = "qwen3_coder",
       .about = "Qwen3-Coder, Qwen3.5, Nemotron 3, Step 3.5: <function=...> with a tag for each parameter",
       .openers = {{.text = "<tool_call>"}, {.text = "<function=", .bare = true, .at_line_start = true}},
       .forms = {tags("tool_call", true)},
       .shown = {"<tool_call>", "</tool_call>"},
       .signs = {{"<function=", "<parameter="}}});
}

}  // namespace varve::text::syntax
