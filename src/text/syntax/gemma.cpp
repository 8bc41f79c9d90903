#include "text/syntax/syntaxes.h"

namespace varve::text::syntax {

void add_gemma(std::vector<ToolSyntax>& list) {
  using Kind = Element::Kind;
  const auto braces = [](const std::string& open, const std::string& close, const std::string& quote) {
    return NamedForm{.elements = {{.kind = Kind::marker, .texts = {"call:"}, .written = "call:"},
                                  {.kind = Kind::name, .texts = {"{"}},
                                  {.kind = Kind::arguments}},
                     .close = {close},
                     .quote = quote,
                     .opening = open,
                     .closing = close};
  };
  list.push_back({.name = "gemma4",
                  .about = "Gemma 4: call:NAME{key:<|\"|>text<|\"|>}",
                  .openers = {{.text = "<|tool_call>"}},
                  .forms = {braces("<|tool_call>", "<tool_call|>", "<|\"|>")},
                  .shown = {"<|tool_call>", "<tool_call|>", "<|\"|>"},
                  .signs = {{"<|tool_call>", "call:"}},
                  .token = "<|tool_call>"});
  list.push_back({.name = "function_gemma",
                  .about = "FunctionGemma: call:NAME{key:<escape>text<escape>}",
                  .openers = {{.text = "<start_function_call>"}},
                  .forms = {braces("<start_function_call>", "<end_function_call>", "<escape>")},
                  .shown = {"<start_function_call>", "<end_function_call>", "<escape>"},
                  .signs = {{"<start_function_call>"}},
                  .token = "<start_function_call>"});
  list.push_back(
      {.name = "gemma",
       .about = "Gemma 3: Python calls, or JSON, in a fence tool_code",
       .openers = {{.text = "```tool_code", .at_line_start = true},
                   {.text = "```tool_call", .at_line_start = true}},
       .forms = {PythonForm{
                     .close = {"```"}, .opening = "```tool_code\n", .between = "\n", .closing = "\n```"},
                 JsonForm{.close = {"```"}}},
       .signs = {{"tool_code"}}});
}

}  // namespace varve::text::syntax
