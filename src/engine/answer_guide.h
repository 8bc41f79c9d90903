#pragma once
// What the next token of an answer may be, beyond what the sampler's numbers say: a grammar, a thought's
// budget, markers that must be written out.
//
// A grammar rules from a certain moment on (Begin). Before it, thoughts are free; a grammar that comes after
// a thought may also begin at once, for a model that does not think this time. Tokens that are forced are
// chosen by a mask of one bit, so they cost, count and show like any other.
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "text/grammar.h"

namespace varve::engine {

class AnswerGuide {
 public:
  enum class Begin : uint8_t {
    at_once,        // or behind a thought, where `opens` says how one begins
    after_thought,  // the prompt has begun one
    at_call         // of the first call; everything before it is free
  };
  /// Tokens that may stand where the grammar would begin, and what they begin.
  struct Opening {
    enum class Kind : uint8_t {
      thought,  // the grammar begins behind it
      marker,   // the grammar begins here
      call      // no grammar; `call_grammar` instead, if there is one
    };
    std::vector<int32_t> ids;  // the first is allowed, the others are then written out
    Kind kind = Kind::thought;
  };
  struct Plan {
    std::optional<text::Constraint> grammar;
    Begin begin = Begin::at_once;
    /// What must be written before: the grammar begins where only an end could follow.
    std::optional<text::Constraint> head;
    std::vector<Opening> opens;
    std::vector<int32_t> gap;  // white space, a little of which may stand behind a thought or marker
    std::optional<text::Constraint> call_grammar;
    std::vector<int32_t> end_ids;      // end an answer: not the thought before a grammar
    std::optional<int64_t> budget;     // tokens of thoughts
    std::vector<int32_t> thought_end;  // then written
    Plan fork() const;
  };
  /// Where the answer stands.
  struct Place {
    bool in_thought = false;
    int64_t reasoning_tokens = 0;
  };

  AnswerGuide() = default;
  explicit AnswerGuide(Plan plan);

  /// Rules anything at all: otherwise neither mask() nor took() need be called.
  bool active() const { return plan_.grammar || plan_.budget || !forced_.empty(); }
  /// Which tokens may come next (Sampler::Args::mask), until the next call; empty: all.
  Result<std::span<const uint32_t>> mask(const Place& place);
  /// `id` was chosen of what mask() allowed, and now the answer stands at `place`.
  Result<std::monostate> took(int32_t id, const Place& place);
  /// The grammar waits for a call: begin_call() is to be told of one.
  bool waits_for_call() const { return plan_.grammar && plan_.begin == Begin::at_call && !ruling_; }
  /// A call stands open, and could have been written with these tokens: from here on the grammar rules it.
  /// One that the grammar does not know stays free.
  void begin_call(std::span<const int32_t> ids);
  /// The grammar is at its end: nothing may follow.
  bool complete() const { return ruling_ && plan_.grammar->is_stopped(); }

 private:
  enum class State : uint8_t { before, thought, gap };

  void close_thought(const Place& place);
  void allow(int32_t id);
  Result<std::monostate> begin(int32_t id);

  Plan plan_;
  bool ruling_ = false;  // the grammar rules every token
  State state_ = State::before;
  int gaps_ = 0;
  std::deque<int32_t> forced_;
  bool closing_ = false;  // what is forced ends a thought
  std::vector<uint32_t> mask_;
  std::vector<uint32_t> own_mask_;  // before it rules: what the grammar itself allows
};

}  // namespace varve::engine
