#pragma once
// What an answer is made of, whatever model wrote it, and however it writes.
//
// A call is a ToolStartPiece, its arguments and a ToolEndPiece; calls do not overlap and `index` counts them
// from 0. The arguments of a complete call concatenate to one JSON object, at least "{}". A call that breaks
// after it was announced ends with complete = false: its arguments are then the beginning of an object, left
// open, so that nobody takes them for what the model meant; what it wrote after the break follows as text.
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace varve::text::syntax {

struct TextPiece {
  std::string text;
  bool operator==(const TextPiece&) const = default;
};

struct ReasoningPiece {
  std::string text;
  bool operator==(const ReasoningPiece&) const = default;
};

struct ToolStartPiece {
  int index = 0;
  std::string name;
  std::string id;  // "" unless the model writes one before the arguments
  bool operator==(const ToolStartPiece&) const = default;
};

struct ToolArgumentsPiece {
  int index = 0;
  std::string json_delta;
  bool operator==(const ToolArgumentsPiece&) const = default;
};

struct ToolEndPiece {
  int index = 0;
  bool complete = true;
  bool operator==(const ToolEndPiece&) const = default;
};

using Piece = std::variant<TextPiece, ReasoningPiece, ToolStartPiece, ToolArgumentsPiece, ToolEndPiece>;

/// Appends, or lengthens the last piece where that is of the same kind. Empty text adds nothing.
void append_piece(std::vector<Piece>& out, Piece piece);

}  // namespace varve::text::syntax
