#pragma once
// The text of one answer: tokens -> detokenizer -> reader -> stop strings -> what may be shown.
//
// Stop strings are looked for in what is said, as the client sees it: not in thoughts, not in calls, and not
// across them. (Without a reader all is said.) Markers that are special tokens never show as text, also where
// the reader could make nothing of them.
#include <memory>
#include <string>
#include <vector>

#include "engine/stop_strings.h"
#include "engine/text.h"
#include "text/syntax/reader.h"

namespace varve::engine {

using text::syntax::Piece;

/// Takes out of a text the markers that special tokens wrote, and as many of them as there were.
class MarkerFilter {
 public:
  MarkerFilter() = default;
  /// The markers outlive this.
  explicit MarkerFilter(const std::vector<text::AddedToken>& markers)
      : markers_(&markers), written_(markers.size(), 0) {}

  /// Before the text that it completes is pushed.
  void token(int32_t id);
  std::string push(std::string text);
  /// What was held back because it may have become a marker.
  std::string finish();

 private:
  const std::vector<text::AddedToken>* markers_ = nullptr;
  std::vector<int64_t> written_;  // per marker: how many may still be met
  int64_t total_ = 0;
  std::string held_;
};

class AnswerText {
 public:
  /// How an answer is read. Both outlive the AnswerText.
  struct Reading {
    const ModelSyntax* syntax = nullptr;
    const text::syntax::ToolSet* tools = nullptr;  // null: what looks like a call is text
    bool in_thought = false;                       // the prompt ended inside one
    bool one_call = false;                         // the answer ends behind its first call
  };

  AnswerText() = default;
  /// `decoder` may be null: then there is no text. Without a syntax all is text.
  AnswerText(std::unique_ptr<TextDecoder> decoder, std::vector<std::string> stops, const Reading& reading);

  /// Appends the pieces that are certain now. Nothing after ended().
  void push(int32_t id, std::vector<Piece>& out);
  /// The answer has ended: all that was held back.
  void finish(std::vector<Piece>& out);

  /// A stop string was found, or the only call is complete.
  bool ended() const { return called_ || !stops_.found().empty(); }
  const std::string& stop_found() const { return stops_.found(); }
  bool in_thought() const { return reader_ && reader_->in_thought(); }
  /// See AnswerReader.
  std::string open_call() const { return reader_ ? reader_->open_call() : std::string(); }

 private:
  enum class Kind : uint8_t { none, said, thought };

  void say(std::string text, std::vector<Piece>& out);
  void take(std::vector<Piece>& pieces, std::vector<Piece>& out);
  void switch_to(Kind kind, std::vector<Piece>& out);

  std::unique_ptr<TextDecoder> decoder_;
  std::unique_ptr<text::syntax::AnswerReader> reader_;
  MarkerFilter markers_;
  StopStrings stops_;
  Kind kind_ = Kind::none;
  bool one_call_ = false;
  bool called_ = false;
};

}  // namespace varve::engine
