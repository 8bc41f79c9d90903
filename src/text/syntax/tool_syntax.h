#pragma once
// How one kind of model writes calls of tools: markers, forms, and by what it is recognised. Data; the forms
// (json_calls.h, named_calls.h, tagged_calls.h, python_calls.h, channels.h) say how it is read and written.
#include <string>
#include <variant>
#include <vector>

#include "text/syntax/channels.h"
#include "text/syntax/json_calls.h"
#include "text/syntax/named_calls.h"
#include "text/syntax/python_calls.h"
#include "text/syntax/tagged_calls.h"

namespace varve::text::syntax {

using Form = std::variant<JsonForm, NamedForm, TagForm, PythonForm, ChannelForm>;

struct Opener {
  std::string text;
  /// It is the first thing of the calls themselves rather than a marker before them.
  bool bare = false;
  /// It counts only where nothing but spaces stands before it on its line.
  bool at_line_start = false;
};

struct ToolSyntax {
  std::string name;
  std::string about;
  std::vector<Opener> openers;
  /// The first is how the model itself writes, and what grammars ask for; the others are understood as well.
  std::vector<Form> forms;
  /// Markers that may be control tokens: a detokenizer must not leave them out.
  std::vector<std::string> shown;
  /// The first opener also ends a thought that was not closed.
  bool ends_thought = false;
  /// The prompt ends with the first opener.
  bool begins_open = false;

  /// A chat template that contains every text of one of these lists is of this syntax.
  std::vector<std::vector<std::string>> signs;
  /// So is a vocabulary with a token of this text, when the template says nothing.
  std::string token;
};

/// A block in the form that the text begins in; null where it begins in none. `undecided`: more text is
/// needed.
std::unique_ptr<Block> make_block(const ToolSyntax& syntax, std::string_view text, bool last,
                                  bool& undecided);

}  // namespace varve::text::syntax
