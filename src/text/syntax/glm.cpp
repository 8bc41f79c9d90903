#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_glm(std::vector<ToolSyntax>& list) {
  TagForm lines = {.name_end = {"\n", "<"},
                   .parameter_open = "<arg_key>",
                   .parameter_name_end = {{"</arg_key>"}},
                   .value_open = "<arg_value>",
                   .value_close = "</arg_value>",
                   .call_close = "</tool_call>",
                   .opening = "<tool_call>",
                   .before_parameter = "\n",
                   .before_value = "\n",
                   .before_call_close = "\n",
                   .between = "\n",
                   .separate_blocks = true};
  TagForm dense = lines;
  dense.before_parameter = dense.before_value = dense.before_call_close = dense.between = "";
  const auto add = [&](const std::string& name, const std::string& about, TagForm form,
                       std::vector<std::vector<std::string>> signs) {
    list.push_back(
        {.name = name,
         .about = about,
         .openers = {{.text = "<tool_call>"}},
         .forms = {std::move(form)},
         .shown = {"<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"},
         .signs = std::move(signs),
         .token = "<arg_key>"});
  };
  add("glm4", "GLM 4.5 and 4.6: keys and values in tags, one a line", lines,
      {{"<arg_key>", "<tool_call>{function-name}\n"}});
  add("glm4_7", "GLM 4.7 and 5: keys and values in tags, without line ends", dense, {{"<arg_key>"}});
}

}  // namespace varve::text::syntax
