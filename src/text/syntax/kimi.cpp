#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_kimi(std::vector<ToolSyntax>& list) {
  using Kind = Element::Kind;
  NamedForm form = {
      .elements = {{.kind = Kind::marker, .texts = {"<|tool_call_begin|>"}, .written = "<|tool_call_begin|>"},
                   {.kind = Kind::name, .texts = {"<|tool_call_argument_begin|>"}},
                   {.kind = Kind::marker,
                    .texts = {"<|tool_call_argument_begin|>"},
                    .written = "<|tool_call_argument_begin|>"},
                   {.kind = Kind::arguments},
                   {.kind = Kind::marker, .texts = {"<|tool_call_end|>"}, .written = "<|tool_call_end|>"}},
      .repeats = true,
      .indexed_names = true,
      .close = {"<|tool_calls_section_end|>"},
      .opening = "<|tool_calls_section_begin|>",
      .closing = "<|tool_calls_section_end|>"};
  list.push_back(
      {.name = "kimi_k2",
       .about = "Kimi K2: functions.NAME:INDEX and arguments between markers",
       .openers = {{.text = "<|tool_calls_section_begin|>"}, {.text = "<|tool_call_begin|>", .bare = true}},
       .forms = {form},
       .shown = {"<|tool_calls_section_begin|>", "<|tool_call_begin|>", "<|tool_call_argument_begin|>",
                 "<|tool_call_end|>", "<|tool_calls_section_end|>"},
       .ends_thought = true,
       .signs = {{"<|tool_calls_section_begin|>"}},
       .token = "<|tool_calls_section_begin|>"});
}

}  // namespace varve::text::syntax
