#pragma once
// The files that describe syntaxes: one line each, in the order in which they are looked for. A file name.cpp
// defines `void add_name(std::vector<ToolSyntax>&)`, which appends one syntax or a few relatives.
#include <vector>

#include "text/syntax/tool_syntax.h"

#define VARVE_TOOL_SYNTAXES(each)                                                                           \
  each(harmony) each(deepseek) each(kimi) each(minimax) each(qwen_xml) each(glm) each(gemma) each(command)  \
      each(lfm) each(apertus) each(apriel) each(gigachat) each(mirothinker) each(functionary) each(mistral) \
          each(granite) each(phi) each(hermes) each(llama) each(pythonic) each(generic)

namespace varve::text::syntax {

#define VARVE_DECLARE(name) void add_##name(std::vector<ToolSyntax>& list);
VARVE_TOOL_SYNTAXES(VARVE_DECLARE)
#undef VARVE_DECLARE

}  // namespace varve::text::syntax
