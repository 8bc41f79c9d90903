#include "text/syntax/speech.h"

#include "text/syntax/match.h"

namespace varve::text::syntax {

void Speech::say(std::string_view text, std::vector<Piece>& out) {
  if (skip_space_) text.remove_prefix(skip_space(text));
  if (text.empty()) return;
  skip_space_ = false;

  size_t solid = text.size();
  while (solid > 0 && is_space(text[solid - 1])) --solid;
  const size_t line = text.rfind('\n');
  line_start_ = line != std::string_view::npos ? line >= solid : line_start_ && solid == 0;
  if (solid > 0) {
    blank_ = false;
    put(held_, out);
    put(text.substr(0, solid), out);
    held_.clear();
  }
  held_.append(text.substr(solid));
}

void Speech::marker() {
  held_.clear();
  skip_space_ = true;
  line_start_ = true;
}

void Speech::flush(std::vector<Piece>& out) {
  put(held_, out);
  held_.clear();
}

void Speech::put(std::string_view text, std::vector<Piece>& out) const {
  if (thought_) {
    append_piece(out, ReasoningPiece{std::string(text)});
  } else {
    append_piece(out, TextPiece{std::string(text)});
  }
}

}  // namespace varve::text::syntax
