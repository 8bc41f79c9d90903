#pragma once
// The reader of every answer that is text with markers in it: thoughts and blocks of calls.
#include "text/syntax/reader.h"
#include "text/syntax/registry.h"
#include "text/syntax/speech.h"
#include "text/syntax/tag_scanner.h"

namespace varve::text::syntax {

class TaggedReader final : public AnswerReader {
 public:
  TaggedReader(const SyntaxChoice& choice, const ReadOptions& options);
  void push(std::string_view text, std::vector<Piece>& out) override;
  void finish(std::vector<Piece>& out) override;
  bool in_thought() const override { return mode_ == Mode::thought; }
  std::string open_call() const override { return mode_ == Mode::block ? raw_ + pending_ : std::string(); }

 private:
  enum class Mode { text, thought, block };
  enum class Role { open, close, answer_open, answer_close, opener };
  struct Tag {
    std::string text;
    Role role;
    size_t opener = 0;  // which of the tool syntax's
  };
  /// How far one turn came: `used` bytes are done with; `waits`: nothing more can be said without more text.
  struct Turn {
    size_t used = 0;
    bool waits = false;
  };

  static std::vector<Tag> text_tags(const SyntaxChoice& choice, bool has_tools);
  static std::vector<Tag> thought_tags(const SyntaxChoice& choice, bool has_tools);

  void run(bool last, std::vector<Piece>& out);
  Turn text_turn(std::string_view text, bool last, std::vector<Piece>& out);
  Turn thought_turn(std::string_view text, bool last, std::vector<Piece>& out);
  Turn block_turn(std::string_view text, bool last, std::vector<Piece>& out);
  /// The tag stands in the answer's text: whether it means anything there.
  bool counts(const Tag& tag) const;
  void take(const Tag& tag);
  void begin_block(size_t opener);
  void end_block();
  /// From here on it is no block after all. Returns the bytes of `text` that are used up.
  size_t give_back(std::string_view text, std::vector<Piece>& out);

  const ReasoningSyntax& reasoning_;
  const ToolSyntax& tools_;
  std::vector<Tag> text_tags_;
  std::vector<Tag> thought_tags_;
  TagScanner text_scanner_;
  TagScanner thought_scanner_;
  CallSink sink_;
  Speech text_{false};
  Speech thought_{true};

  Mode mode_ = Mode::text;
  std::string pending_;          // not yet understood
  bool answer_is_near_ = false;  // a thought has ended and nothing was said since
  bool answer_is_marked_ = false;

  // Of the block that is read:
  const Opener* opener_ = nullptr;
  std::unique_ptr<Block> block_;  // null until its form is known
  std::string raw_;               // what was read and not told
  bool told_ = false;             // a call, or a part of one
};

}  // namespace varve::text::syntax
