#pragma once
// What the engine asks of a tokenizer: two arrows of the line (render + tokenize, detokenize). ModelText
// (model_text.h) is it; an engine without one takes token ids and gives token ids.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "engine/request.h"

namespace varve::engine {

/// Text that grows token by token. Never half a character.
class TextDecoder {
 public:
  virtual ~TextDecoder() = default;
  /// The text that this token completes; "" when it completes none.
  virtual std::string push(int32_t id) = 0;
  /// The answer has ended: what was still incomplete.
  virtual std::string finish() = 0;
};

class TextCodec {
 public:
  virtual ~TextCodec() = default;
  /// Chat: rendered with the model's template, then tokenized. Text: tokenized as its flags say.
  virtual Result<std::vector<int32_t>> encode(const Prompt& prompt) const = 0;
  /// A token that frames messages, and is never part of one.
  virtual bool is_control(int32_t) const { return false; }
  /// The bytes that a token stands for in the middle of a text; "" where it has none of its own.
  virtual std::string bytes(int32_t) const { return {}; }
  /// For the answer to `prompt`, whose tokens are `ids`.
  virtual std::unique_ptr<TextDecoder> decoder(const Prompt& prompt, std::span<const int32_t> ids) const = 0;
};

}  // namespace varve::engine
