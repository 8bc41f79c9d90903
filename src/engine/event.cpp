#include "engine/event.h"

namespace varve::engine {

std::string said(const AnswerEvent& event) {
  std::string text;
  for (const Piece& piece : event.pieces)
    if (const auto* spoken = std::get_if<text::syntax::TextPiece>(&piece)) text += spoken->text;
  return text;
}

}  // namespace varve::engine
