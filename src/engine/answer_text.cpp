#include "engine/answer_text.h"

#include <algorithm>
#include <utility>

#include "text/syntax/match.h"

namespace varve::engine {

using text::syntax::append_piece;
using text::syntax::ReasoningPiece;
using text::syntax::TextPiece;
using text::syntax::ToolEndPiece;

void MarkerFilter::token(int32_t id) {
  if (!markers_) return;
  for (size_t i = 0; i < markers_->size(); ++i) {
    if ((*markers_)[i].id != id) continue;
    ++written_[i];
    ++total_;
  }
}

std::string MarkerFilter::push(std::string text) {
  if (total_ == 0 && held_.empty()) return text;
  held_ += text;
  std::string out;
  while (total_ > 0) {
    size_t at = std::string::npos, which = 0;
    for (size_t i = 0; i < written_.size(); ++i) {
      const size_t found = written_[i] > 0 ? held_.find((*markers_)[i].content) : std::string::npos;
      if (found >= at) continue;
      at = found;
      which = i;
    }
    if (at == std::string::npos) break;
    out.append(held_, 0, at);
    held_.erase(0, at + (*markers_)[which].content.size());
    --written_[which];
    --total_;
  }
  // The longest end that begins one.
  size_t keep = 0;
  for (size_t i = 0; i < written_.size(); ++i) {
    if (written_[i] == 0) continue;
    keep = std::max(keep, text::syntax::tail_of_tag(held_, (*markers_)[i].content));
  }
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string MarkerFilter::finish() { return std::exchange(held_, {}); }

AnswerText::AnswerText(std::unique_ptr<TextDecoder> decoder, std::vector<std::string> stops,
                       const Reading& reading)
    : decoder_(std::move(decoder)), stops_(std::move(stops)), one_call_(reading.one_call) {
  if (!decoder_ || !reading.syntax) return;
  reader_ = text::syntax::make_reader(reading.syntax->choice,
                                      {.tools = reading.tools, .in_thought = reading.in_thought});
  markers_ = MarkerFilter(reading.syntax->hidden_markers);
}

void AnswerText::push(int32_t id, std::vector<Piece>& out) {
  if (!decoder_ || ended()) return;
  std::string text = decoder_->push(id);
  if (!reader_) return say(std::move(text), out);
  markers_.token(id);
  std::vector<Piece> pieces;
  reader_->push(text, pieces);
  take(pieces, out);
}

void AnswerText::finish(std::vector<Piece>& out) {
  if (!decoder_ || ended()) return;
  std::string text = decoder_->finish();
  if (reader_) {
    std::vector<Piece> pieces;
    reader_->push(text, pieces);
    reader_->finish(pieces);
    take(pieces, out);
  } else {
    say(std::move(text), out);
  }
  if (!ended()) switch_to(Kind::none, out);
}

void AnswerText::say(std::string text, std::vector<Piece>& out) {
  if (text.empty()) return;
  kind_ = Kind::said;
  append_piece(out, TextPiece{stops_.push(text)});
}

void AnswerText::take(std::vector<Piece>& pieces, std::vector<Piece>& out) {
  for (Piece& piece : pieces) {
    auto* const said = std::get_if<TextPiece>(&piece);
    auto* const thought = std::get_if<ReasoningPiece>(&piece);
    switch_to(said ? Kind::said : thought ? Kind::thought : Kind::none, out);
    if (ended()) return;
    if (said) {
      say(markers_.push(std::move(said->text)), out);
    } else if (thought) {
      append_piece(out, ReasoningPiece{markers_.push(std::move(thought->text))});
    } else {
      const auto* end = std::get_if<ToolEndPiece>(&piece);
      called_ = one_call_ && end && end->complete;
      append_piece(out, std::move(piece));
    }
  }
}

/// What was held back of the one kind comes out before anything of another.
void AnswerText::switch_to(Kind kind, std::vector<Piece>& out) {
  const Kind before = std::exchange(kind_, kind);
  if (before == kind || before == Kind::none) return;
  std::string held = markers_.finish();
  if (before == Kind::thought) return append_piece(out, ReasoningPiece{std::move(held)});
  append_piece(out, TextPiece{stops_.push(held)});
  if (!ended()) append_piece(out, TextPiece{stops_.finish()});
}

}  // namespace varve::engine
