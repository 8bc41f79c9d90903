#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_generic(std::vector<ToolSyntax>& list) {
  JsonForm form = {
      .strict = true, .close = {"```"}, .list = true, .opening = "[", .between = ", ", .closing = "]"};
  list.push_back({.name = "json",
                  .about = "any model that was told to: a JSON object or list, alone or in a fence",
                  .openers = {{.text = "{", .bare = true, .at_line_start = true},
                              {.text = "[", .bare = true, .at_line_start = true},
                              {.text = "```json", .at_line_start = true}},
                  .forms = {form},
                  .signs = {{"tools"}, {"functions"}}});
  list.push_back({.name = "none", .about = "no calls: all is text", .forms = {JsonForm{}}});
}

}  // namespace varve::text::syntax
