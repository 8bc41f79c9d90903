#pragma once
// The engine of the readers: text that is not yet understood waits, and each turn says how far it came.
#include <string>
#include <string_view>
#include <vector>

#include "text/syntax/call_sink.h"
#include "text/syntax/reader.h"

namespace varve::text::syntax {

class TurnReader : public AnswerReader {
 public:
  explicit TurnReader(const ReadOptions& options)
      : sink_(options.tools, options.only_offered, options.stream_arguments) {}

  void push(std::string_view text, std::vector<Piece>& out) final {
    pending_.append(text);
    run(false, out);
  }
  void finish(std::vector<Piece>& out) final {
    run(true, out);
    say_rest(out);
  }

 protected:
  /// How far one turn came: `used` bytes are done with; `waits`: nothing more can be said without more text.
  struct Turn {
    size_t used = 0;
    bool waits = false;
  };
  /// `last`: nothing follows `text`.
  virtual Turn turn(std::string_view text, bool last, std::vector<Piece>& out) = 0;
  /// The answer has ended: what is still held back.
  virtual void say_rest(std::vector<Piece>& out) = 0;

  /// What no turn has used up.
  const std::string& pending() const { return pending_; }

  CallSink sink_;

 private:
  void run(bool last, std::vector<Piece>& out) {
    sink_.attach(out);
    size_t at = 0;
    while (true) {
      const Turn done = turn(std::string_view(pending_).substr(at), last, out);
      at += done.used;
      if (done.waits) break;
    }
    pending_.erase(0, at);
  }

  std::string pending_;
};

}  // namespace varve::text::syntax
