#include "engine/grammar_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "text/tokenizer.h"

namespace varve::engine {

GrammarCache::GrammarCache(const text::Tokenizer* tokenizer, int64_t vocab, std::vector<int32_t> end_ids)
    : tokenizer_(tokenizer), vocab_(vocab), end_ids_(std::move(end_ids)) {}

Result<const text::Grammars*> GrammarCache::grammars() {
  if (!tokenizer_) return RequestError{"this model has no tokenizer: grammars need its text", "grammar"};
  if (end_ids_.empty())
    return RequestError{"this model names no token that ends an answer: a grammar could not end", "grammar"};
  const std::lock_guard lock(making_);
  if (!grammars_) {
    try {
      grammars_ = std::make_unique<const text::Grammars>(
          text::Grammars::create(*tokenizer_, static_cast<int32_t>(vocab_), end_ids_));
    } catch (const LoadError& error) {
      log::error(fmt::format("grammars: {}", error.what()));
      return RequestError{"this model's vocabulary cannot be used with grammars", "grammar"};
    }
  }
  return grammars_.get();
}

Result<text::Constraint> GrammarCache::get(text::GrammarKind kind, const std::string& text) {
  if (text.size() > kMaxGrammarBytes)
    return RequestError{
        fmt::format("a grammar or schema may have {} bytes; this one has {}", kMaxGrammarBytes, text.size()),
        "grammar"};
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.kind == kind && e.text == text; });
    if (found != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, found);
      return found->compiled.fork();
    }
  }
  const auto made = grammars();
  if (!made) return made.error();
  auto compiled = made.value()->compile(kind, text);
  if (!compiled) return compiled.error();
  text::Constraint copy = compiled.value().fork();
  const std::lock_guard lock(mutex_);
  // Another thread may have been as fast: two of the same do no harm.
  entries_.push_front({.kind = kind, .text = text, .compiled = std::move(compiled.value())});
  bytes_ += text.size();
  while (entries_.size() > kMostEntries || (bytes_ > kMostBytes && entries_.size() > 1)) {
    bytes_ -= entries_.back().text.size();
    entries_.pop_back();
  }
  return copy;
}

}  // namespace varve::engine
