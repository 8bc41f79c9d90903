#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_mirothinker(std::vector<ToolSyntax>& list) {
  using Kind = Element::Kind;
  NamedForm form = {
      .elements = {{.kind = Kind::marker, .texts = {"<server_name>"}, .written = "<server_name>"},
                   {.kind = Kind::ignored, .texts = {"</server_name>"}},
                   {.kind = Kind::marker, .texts = {"</server_name>"}, .written = "</server_name>\n"},
                   {.kind = Kind::marker, .texts = {"<tool_name>"}, .written = "<tool_name>"},
                   {.kind = Kind::name, .texts = {"</tool_name>"}},
                   {.kind = Kind::marker, .texts = {"</tool_name>"}, .written = "</tool_name>\n"},
                   {.kind = Kind::marker, .texts = {"<arguments>"}, .written = "<arguments>\n"},
                   {.kind = Kind::arguments},
                   {.kind = Kind::marker, .texts = {"</arguments>"}, .written = "\n</arguments>"}},
      .close = {"</use_mcp_tool>"},
      .opening = "<use_mcp_tool>\n",
      .between = "\n",
      .closing = "\n</use_mcp_tool>"};
  list.push_back({.name = "mirothinker",
                  .about = "MiroThinker: server, tool and arguments in <use_mcp_tool>",
                  .openers = {{.text = "<use_mcp_tool>"}},
                  .forms = {form},
                  .signs = {{"<use_mcp_tool>"}}});
}

}  // namespace varve::text::syntax
