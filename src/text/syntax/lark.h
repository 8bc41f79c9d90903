#pragma once
// Writes a grammar in the notation that text/grammar.h takes (GrammarKind::lark), rule by rule.
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"
#include "text/tokenizer.h"

namespace varve::text::syntax {

class Lark {
 public:
  /// Control tokens of `vocabulary` have no text for a grammar, so where one is spelled it is asked for by
  /// its id.
  explicit Lark(std::span<const AddedToken> vocabulary);

  /// The text as an expression; "" for no text. White space at its beginning is a piece of its own: a lexer
  /// that takes the longest piece could not tell "\n" and then "<a>" from "\n<b>". `spaces`: one may follow
  /// each control token.
  std::string literal(std::string_view text, bool spaces = false) const;

  /// Any text up to the first `end`, and `end`. `body` limits the text: a regular expression.
  std::string text_until(std::string_view end, const std::string& body = kAnyText);

  /// A JSON value by `schema`, whose local references lead into `root`.
  std::string json(const Value& schema, const Value& root);

  /// Adds a rule and returns its name, which begins with `stem`.
  std::string rule(const std::string& stem, const std::string& body);

  /// Adds a rule of this very name, unless it is there already.
  void named_rule(const std::string& name, const std::string& body);

  /// The grammar whose answers are `start`.
  std::string finish(const std::string& start) const { return "start: " + start + "\n" + rules_; }

  static constexpr const char* kAnyText = "(?s:.*)";

 private:
  const AddedToken* control_at(std::string_view text) const;
  std::string fresh(const std::string& stem) { return stem + "_" + std::to_string(count_++); }

  std::vector<const AddedToken*> control_;
  std::string rules_;
  std::set<std::string> named_;
  int count_ = 0;
};

/// A regular expression, as it stands between slashes, for exactly this text.
std::string regex_of(std::string_view text);

/// The parts that are not empty, with spaces between.
std::string sequence(std::initializer_list<std::string_view> parts);

/// "(a | b)".
std::string alternatives(const std::vector<std::string>& expressions);

}  // namespace varve::text::syntax
