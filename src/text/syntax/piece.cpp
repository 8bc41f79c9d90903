#include "text/syntax/piece.h"

namespace varve::text::syntax {

namespace {

/// Where the text of a piece that may be lengthened lies, else null.
std::string* text_of(Piece& piece) {
  if (auto* text = std::get_if<TextPiece>(&piece)) return &text->text;
  if (auto* thought = std::get_if<ReasoningPiece>(&piece)) return &thought->text;
  if (auto* arguments = std::get_if<ToolArgumentsPiece>(&piece)) return &arguments->json_delta;
  return nullptr;
}

}  // namespace

void append_piece(std::vector<Piece>& out, Piece piece) {
  const std::string* added = text_of(piece);
  if (added && added->empty()) return;
  // Arguments of two calls never meet: a ToolStartPiece lies between.
  if (added && !out.empty() && out.back().index() == piece.index()) {
    *text_of(out.back()) += *added;
    return;
  }
  out.push_back(std::move(piece));
}

}  // namespace varve::text::syntax
