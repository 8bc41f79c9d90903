#pragma once
// The list of all syntaxes, and the choice of one for a model.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "text/syntax/reasoning.h"
#include "text/syntax/tool_syntax.h"
#include "text/tokenizer.h"

namespace varve::text::syntax {

/// All tool syntaxes, in the order in which they are looked for. "none" is among them, "json" the one for
/// models whose template shows tools but no way to call them.
const std::vector<ToolSyntax>& tool_syntaxes();

/// How a model writes. The syntaxes live as long as the program.
struct SyntaxChoice {
  const ReasoningSyntax* reasoning = nullptr;
  const ToolSyntax* tools = nullptr;
  /// The template can end the prompt inside a thought; whether one prompt does, opens_thought() tells.
  bool reasoning_open_in_prompt = false;

  /// Markers that the reader must see. Where they are control tokens, a detokenizer that leaves those out
  /// must keep them.
  std::vector<std::string> shown_tokens() const;
};

/// What a chat template's text and the added tokens of a vocabulary say. Either may be empty.
SyntaxChoice detect(std::string_view chat_template, std::span<const AddedToken> vocabulary);

/// `choice` with the syntaxes of these names instead, as a card may ask for; an empty name keeps what was
/// found. The error of an unknown name lists those that there are.
Result<SyntaxChoice> override_syntax(SyntaxChoice choice, std::string_view tools, std::string_view reasoning);

}  // namespace varve::text::syntax
