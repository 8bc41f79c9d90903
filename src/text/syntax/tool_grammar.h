#pragma once
// Grammars that make a model call tools: for tool_choice required or named, and for strict schemas. What such
// a grammar accepts, the reader of the same syntax reads back as calls.
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"
#include "text/syntax/registry.h"

namespace varve::text::syntax {

struct GrammarRequest {
  /// The tools that may be called; at least one.
  const ToolSet* tools = nullptr;
  /// Only this one; "": any.
  std::string_view named;
  /// Several calls, one behind the other; otherwise exactly one.
  bool parallel = false;
  /// The model may answer with text instead, or before the calls.
  bool optional = false;
  /// Arguments of tools that are not strict (Tool::strict) are any object.
  bool strict_alone = false;
  /// Whether a thought may come before the calls, or the prompt ended inside one, which must then end first.
  enum class Thought { none, may, open } thought = Thought::none;
  /// The tokenizer's added tokens: markers that are control tokens are asked for as such.
  std::span<const AddedToken> vocabulary;
};

/// The text of a GrammarKind::lark. Names and arguments are held to the tools' schemas, the parameters in the
/// order of the schema. A RequestError where no grammar can be made: no such tool, or a model that has no way
/// to call one.
Result<std::string> tool_grammar(const SyntaxChoice& choice, const GrammarRequest& request);

/// Answers come in channels (channels.h).
bool has_channels(const SyntaxChoice& choice);

/// What the model must write before the text of an answer that is no call, as a GrammarKind::lark; "" where
/// it need not write anything (a thought aside).
std::string answer_head(const SyntaxChoice& choice, std::span<const AddedToken> vocabulary);

/// What ends an open thought; "" where the model writes none. `answer`: and begins the answer's text, where
/// that must be begun as well.
std::string thought_end(const SyntaxChoice& choice, bool answer);

}  // namespace varve::text::syntax
