#pragma once
// Text that grows token by token. What push() gave out never changes and never ends inside a character; all
// pieces together are what Tokenizer::decode gives for all ids.
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct tk_stream;

namespace varve::text {

class Tokenizer;

class Detokenizer {
 public:
  /// The tokenizer must outlive this.
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true);

  /// Takes ids whose text is known already, so that what follows is decoded as their continuation (a
  /// sentencepiece text drops the space before its first word, a continuation keeps it).
  void prime(std::span<const int32_t> ids);

  /// The text that this token completes; often empty.
  std::string push(int32_t id);

  /// What is still held back, when no token follows: an unfinished character becomes U+FFFD.
  std::string finish();

  /// An independent copy in the same state.
  Detokenizer fork() const;

 private:
  struct Free {
    void operator()(tk_stream* stream) const;
  };
  Detokenizer(const Tokenizer& tokenizer, tk_stream* stream);

  const Tokenizer* tokenizer_;
  std::unique_ptr<tk_stream, Free> stream_;
};

}  // namespace varve::text
