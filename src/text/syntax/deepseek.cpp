#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

namespace {

using Kind = Element::Kind;

// <｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{...}\n```<｜tool▁call▁end｜>
NamedForm fenced() {
  return {.elements =
              {{.kind = Kind::marker, .texts = {"<｜tool▁call▁begin｜>"}, .written = "<｜tool▁call▁begin｜>"},
               {.kind = Kind::may, .texts = {"function<｜tool▁sep｜>"}, .written = "function<｜tool▁sep｜>"},
               {.kind = Kind::name, .texts = {"\n", "<｜tool▁sep｜>", "{"}},
               {.kind = Kind::may, .texts = {"<｜tool▁sep｜>"}},
               {.kind = Kind::may, .texts = {"```json"}, .written = "\n```json\n"},
               {.kind = Kind::arguments},
               {.kind = Kind::may, .texts = {"```"}, .written = "\n```"},
               {.kind = Kind::marker, .texts = {"<｜tool▁call▁end｜>"}, .written = "<｜tool▁call▁end｜>"}},
          .repeats = true,
          .close = {"<｜tool▁calls▁end｜>"},
          .opening = "<｜tool▁calls▁begin｜>",
          .between = "\n",
          .closing = "<｜tool▁calls▁end｜>"};
}

// <｜tool▁call▁begin｜>f<｜tool▁sep｜>{...}<｜tool▁call▁end｜>
NamedForm plain() {
  return {.elements =
              {{.kind = Kind::marker, .texts = {"<｜tool▁call▁begin｜>"}, .written = "<｜tool▁call▁begin｜>"},
               {.kind = Kind::name, .texts = {"<｜tool▁sep｜>"}},
               {.kind = Kind::marker, .texts = {"<｜tool▁sep｜>"}, .written = "<｜tool▁sep｜>"},
               {.kind = Kind::arguments},
               {.kind = Kind::marker, .texts = {"<｜tool▁call▁end｜>"}, .written = "<｜tool▁call▁end｜>"}},
          .repeats = true,
          .close = {"<｜tool▁calls▁end｜>"},
          .opening = "<｜tool▁calls▁begin｜>",
          .closing = "<｜tool▁calls▁end｜>"};
}

// <｜DSML｜invoke name="f"><｜DSML｜parameter name="a" string="true">...</｜DSML｜parameter></｜DSML｜invoke>
TagForm markup(const std::string& block) {
  return {.call_open = "<｜DSML｜invoke name=\"",
          .name_end = {"\">"},
          .parameter_open = "<｜DSML｜parameter name=\"",
          .parameter_name_end = {{"\" string=\"true\">", TagForm::Says::text},
                                 {"\" string=\"false\">", TagForm::Says::json},
                                 {"\">"}},
          .value_close = "</｜DSML｜parameter>",
          .call_close = "</｜DSML｜invoke>",
          .close = {"</｜DSML｜" + block + ">", "</｜DSML｜function_calls>"},
          .opening = "<｜DSML｜" + block + ">\n",
          .name_written = "\">",
          .before_parameter = "\n",
          .before_call_close = "\n",
          .between = "\n",
          .closing = "\n</｜DSML｜" + block + ">"};
}

const std::vector<std::string>& tokens() {
  static const std::vector<std::string> kTokens = {"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>",
                                                   "<｜tool▁sep｜>", "<｜tool▁call▁end｜>",
                                                   "<｜tool▁calls▁end｜>"};
  return kTokens;
}

}  // namespace

void add_deepseek(std::vector<ToolSyntax>& list) {
  list.push_back({.name = "deepseek_v4",
                  .about = "DeepSeek V4: tags in a block tool_calls",
                  .openers = {{.text = "<｜DSML｜tool_calls>"}, {.text = "<｜DSML｜function_calls>"}},
                  .forms = {markup("tool_calls")},
                  .shown = {"｜DSML｜"},
                  .ends_thought = true,
                  .signs = {{"｜DSML｜", "tool_calls>"}}});
  list.push_back({.name = "deepseek_v3_2",
                  .about = "DeepSeek V3.2: tags in a block function_calls",
                  .openers = {{.text = "<｜DSML｜function_calls>"}},
                  .forms = {markup("function_calls")},
                  .shown = {"｜DSML｜"},
                  .ends_thought = true,
                  .signs = {{"｜DSML｜"}},
                  .token = "｜DSML｜"});
  list.push_back(
      {.name = "deepseek_v3",
       .about = "DeepSeek V3 and R1: arguments in a fence behind the name",
       .openers = {{.text = "<｜tool▁calls▁begin｜>"}, {.text = "<｜tool▁call▁begin｜>", .bare = true}},
       .forms = {fenced()},
       .shown = tokens(),
       .ends_thought = true,
       .signs = {{"<｜tool▁call▁begin｜>", "```json"}}});
  list.push_back(
      {.name = "deepseek_v3_1",
       .about = "DeepSeek V3.1: name, separator, arguments",
       .openers = {{.text = "<｜tool▁calls▁begin｜>"}, {.text = "<｜tool▁call▁begin｜>", .bare = true}},
       .forms = {plain()},
       .shown = tokens(),
       .ends_thought = true,
       .signs = {{"<｜tool▁call▁begin｜>"}},
       .token = "<｜tool▁calls▁begin｜>"});
}

}  // namespace varve::text::syntax
