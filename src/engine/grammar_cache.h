#pragma once
// Compiled grammars of one model's vocabulary. The tree of the vocabulary is made when the first grammar is
// asked for; each grammar is compiled once and copied per use, the least used make way. Any thread.
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"
#include "engine/request.h"
#include "text/grammar.h"

namespace varve::engine {

class GrammarCache {
 public:
  /// The tokenizer (may be null: then there are no grammars) outlives this. `end_ids`: what ends an answer.
  GrammarCache(const text::Tokenizer* tokenizer, int64_t vocab, std::vector<int32_t> end_ids);

  const std::vector<int32_t>& end_ids() const { return end_ids_; }

  /// A RequestError, whose field is "grammar", says what is wrong with it.
  Result<text::Constraint> get(text::GrammarKind kind, const std::string& text);

 private:
  struct Entry {
    text::GrammarKind kind;
    std::string text;
    text::Constraint compiled;
  };
  Result<const text::Grammars*> grammars();

  static constexpr size_t kMostEntries = 64;
  static constexpr size_t kMostBytes = size_t{4} << 20;  // of all texts

  const text::Tokenizer* tokenizer_;
  int64_t vocab_;
  std::vector<int32_t> end_ids_;
  std::mutex making_;
  std::unique_ptr<const text::Grammars> grammars_;  // under making_ until it is there
  std::mutex mutex_;
  std::list<Entry> entries_;  // last used first
  size_t bytes_ = 0;
};

}  // namespace varve::engine
