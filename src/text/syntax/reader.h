#pragma once
// Reads an answer as it is written and tells what it is made of (piece.h).
//
// What the pieces say does not depend on how the text is cut. Text that turns out not to be a call comes out
// as text, every byte of it, as soon as that is certain; nothing is dropped but markers that were understood
// and the white space next to them. No more is held back than what may still become a marker, the head of a
// call, and one value whose type must be found out; time grows with the length of the text alone. The text
// must be UTF-8; if it is pushed in whole characters, pieces consist of whole characters.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/syntax/piece.h"
#include "text/syntax/tool_set.h"

namespace varve::text::syntax {

class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  /// Appends what is certain now.
  virtual void push(std::string_view text, std::vector<Piece>& out) = 0;
  /// The answer has ended.
  virtual void finish(std::vector<Piece>& out) = 0;
  /// What was pushed ends inside a thought.
  virtual bool in_thought() const = 0;
  /// What was pushed ends inside a call, or what looks like the beginning of one: its text so far, as a
  /// grammar of the same syntax (tool_grammar.h) has it. Otherwise "".
  virtual std::string open_call() const = 0;
};

struct ReadOptions {
  /// The tools of the request, which must outlive the reader. Null or empty: what looks like a call is text.
  const ToolSet* tools = nullptr;
  /// Calls of tools that are not offered are text.
  bool only_offered = true;
  /// Arguments are told as they are written. Otherwise a call is told when it is complete, and one that
  /// breaks is text.
  bool stream_arguments = true;
  /// The prompt ended inside a thought (opens_thought() in reasoning.h).
  bool in_thought = false;
};

struct SyntaxChoice;

/// The choice must outlive the reader.
std::unique_ptr<AnswerReader> make_reader(const SyntaxChoice& choice, const ReadOptions& options);

}  // namespace varve::text::syntax
