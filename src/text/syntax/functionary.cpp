#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_functionary(std::vector<ToolSyntax>& list) {
  using Kind = Element::Kind;
  NamedForm recipients = {
      .elements = {{.kind = Kind::name, .texts = {"\n"}, .written = "\n"}, {.kind = Kind::arguments}},
      .plain_name = "all",
      .between = "\n>>>"};
  list.push_back({.name = "functionary_3_2",
                  .about = "Functionary 3.2: >>>NAME, a line end, arguments; >>>all is text",
                  .openers = {{.text = ">>>", .at_line_start = true}},
                  .forms = {recipients},
                  .begins_open = true,
                  .signs = {{">>>all"}, {">>>", "recipient"}}});
  NamedForm tags = {.elements = {{.kind = Kind::name, .texts = {">"}},
                                 {.kind = Kind::marker, .texts = {">"}, .written = ">"},
                                 {.kind = Kind::arguments},
                                 {.kind = Kind::marker, .texts = {"</function>"}, .written = "</function>"}},
                    .opening = "<function="};
  list.push_back({.name = "functionary_3_1",
                  .about = "Functionary 3.1 and custom tools of Llama 3.1: <function=NAME>{...}</function>",
                  .openers = {{.text = "<function="}},
                  .forms = {tags},
                  .signs = {{"<function="}}});
}

}  // namespace varve::text::syntax
