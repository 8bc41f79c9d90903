#pragma once
// What the engine asks of a tokenizer: two arrows of the line (render + tokenize, detokenize). ModelText
// (model_text.h) is it; an engine without one takes token ids and gives token ids.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "engine/request.h"
#include "text/syntax/registry.h"
#include "text/tokenizer.h"

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

/// How a model writes thoughts and calls.
struct ModelSyntax {
  text::syntax::SyntaxChoice choice;
  /// Markers that a reader must see and a client must not: they are special tokens.
  std::vector<text::AddedToken> hidden_markers;
};

class TextCodec {
 public:
  virtual ~TextCodec() = default;
  /// Chat: rendered with the model's template, then tokenized. Text: tokenized as its flags say.
  virtual Result<std::vector<int32_t>> encode(const Prompt& prompt) const = 0;
  /// For the answer to `prompt`, whose tokens are `ids`. `markers`: the text has the syntax's markers, also
  /// where they are special tokens.
  virtual std::unique_ptr<TextDecoder> decoder(const Prompt& prompt, std::span<const int32_t> ids,
                                               bool markers) const = 0;

  /// Null: there is none, all is text.
  virtual const ModelSyntax* syntax() const { return nullptr; }
  /// Null: there is none, and so no grammars and no markers.
  virtual const text::Tokenizer* vocabulary() const { return nullptr; }
  /// The text of the template that would render it; "" when there is none.
  virtual std::string_view chat_template(const text::ChatInput&) const { return {}; }
};

}  // namespace varve::engine
