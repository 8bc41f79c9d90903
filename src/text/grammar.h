#pragma once
// Constrained decoding: which tokens may come next so that the answer matches a JSON schema, a regular
// expression or a grammar.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <variant>

#include "core/error.h"

struct tk_grammars;
struct tk_constraint;

namespace varve::text {

class Tokenizer;

enum class GrammarKind {
  json_schema,  // the text is a JSON schema
  regex,        // the whole answer matches this regular expression (Rust syntax, no look-around)
  lark,         // a context-free grammar in Lark's notation
  json_object   // any JSON object; the text is ignored
};

/// One answer's place in its grammar. Not for two threads at once.
class Constraint {
 public:
  /// 32-bit words of a mask: enough for the width of the logits.
  size_t mask_words() const;
  /// Writes which tokens may come next: bit i % 32 of word i / 32. Where the grammar is complete the end
  /// tokens are among them, or alone.
  Result<std::monostate> mask(std::span<uint32_t> words);
  /// Advances by a token. One that the mask forbids is refused and changes nothing.
  Result<std::monostate> consume(int32_t id);
  /// Takes back the last `count` tokens.
  Result<std::monostate> rollback(size_t count);
  /// Only an end token may follow.
  bool is_stopped() const;
  /// The text so far is complete; it may also go on.
  bool is_accepting() const;
  /// An independent copy in the same place.
  Constraint fork() const;

 private:
  friend class Grammars;
  struct Free {
    void operator()(tk_constraint* constraint) const;
  };
  explicit Constraint(tk_constraint* handle) : handle_(handle) {}
  std::pair<bool, bool> state() const;
  std::unique_ptr<tk_constraint, Free> handle_;
};

/// Compiles grammars for one vocabulary. Making it takes up to half a second for a large vocabulary;
/// compile() is then a matter of milliseconds and may be called from several threads.
class Grammars {
 public:
  /// `vocab_size`: the width of the logits. `end_ids`: the tokens that end an answer, at least one.
  static Grammars create(const Tokenizer& tokenizer, int32_t vocab_size, std::span<const int32_t> end_ids);
  Result<Constraint> compile(GrammarKind kind, std::string_view text) const;

 private:
  struct Free {
    void operator()(tk_grammars* grammars) const;
  };
  explicit Grammars(tk_grammars* handle) : handle_(handle) {}
  std::unique_ptr<tk_grammars, Free> handle_;
};

}  // namespace varve::text
