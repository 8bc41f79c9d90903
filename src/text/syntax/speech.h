#pragma once
// One kind of text of an answer (what is said, or what is thought) on its way out. White space at the end is
// held back until it is known whether a marker follows, whose white space it then is.
#include <string>
#include <string_view>
#include <vector>

#include "text/syntax/piece.h"

namespace varve::text::syntax {

class Speech {
 public:
  explicit Speech(bool thought) : thought_(thought) {}

  void say(std::string_view text, std::vector<Piece>& out);
  /// A marker that was understood stands here: white space around it is dropped.
  void marker();
  /// Nothing follows: what is held back is said.
  void flush(std::vector<Piece>& out);

  /// Nothing but white space was said so far.
  bool is_blank() const { return blank_; }
  /// Only white space stands between here and the last line end, marker or beginning.
  bool at_line_start() const { return line_start_; }

 private:
  void put(std::string_view text, std::vector<Piece>& out) const;

  bool thought_;
  bool skip_space_ = false;  // right behind a marker
  bool blank_ = true;
  bool line_start_ = true;
  std::string held_;
};

}  // namespace varve::text::syntax
