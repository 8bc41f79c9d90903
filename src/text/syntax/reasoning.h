#pragma once
// How models write what they think before they answer. White space around these markers belongs to them.
#include <string>
#include <string_view>
#include <vector>

namespace varve::text::syntax {

struct ReasoningSyntax {
  std::string name;
  std::string about;
  /// Markers that begin and end a thought, the usual one first; both empty: the model writes none of its own.
  std::vector<std::string> open;
  std::vector<std::string> close;
  /// Markers around the answer that follows a thought; they are left out.
  std::vector<std::string> answer_open;
  std::vector<std::string> answer_close;
  /// A thought may begin anywhere in the answer; otherwise only where nothing was said yet, so that an answer
  /// may speak of the marker.
  bool anywhere = false;
  /// A template that contains one of these writes so.
  std::vector<std::string> signs;
};

/// All of them, in the order in which they are looked for. The names "none" and "think" are among them.
const std::vector<ReasoningSyntax>& reasoning_syntaxes();

/// Whether the prompt, as it was rendered, ends inside a thought.
bool opens_thought(const ReasoningSyntax& syntax, std::string_view prompt);

}  // namespace varve::text::syntax
