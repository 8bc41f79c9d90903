#pragma once
// A model's text: its tokenizer and its chat templates, as the engine needs them. Shared by any number of
// engines and threads.
#include "engine/text.h"
#include "text/chat_template.h"
#include "text/text_assets.h"
#include "text/tokenizer.h"

namespace varve::engine {

class ModelText final : public TextCodec {
 public:
  /// A LoadError when tokenizer or templates cannot be used.
  explicit ModelText(const text::TextAssets& assets);

  /// Reads answers by the syntaxes of these names instead of those that were found; "" keeps what was found.
  /// Before anyone else knows of this object. An unknown name is refused with those that there are.
  Result<std::monostate> use_syntax(std::string_view tools, std::string_view reasoning);

  Result<std::vector<int32_t>> encode(const Prompt& prompt) const override;
  std::unique_ptr<TextDecoder> decoder(const Prompt& prompt, std::span<const int32_t> ids,
                                       bool markers) const override;
  const ModelSyntax* syntax() const override { return &syntax_; }
  const text::Tokenizer* vocabulary() const override { return &tokenizer_; }
  std::string_view chat_template(const text::ChatInput& input) const override {
    return templates_.source(input);
  }

  const text::Tokenizer& tokenizer() const { return tokenizer_; }
  const text::ChatTemplates& templates() const { return templates_; }

 private:
  void set_syntax(const text::syntax::SyntaxChoice& choice);

  text::Tokenizer tokenizer_;
  text::ChatTemplates templates_;
  ModelSyntax syntax_;
  std::vector<int32_t> left_out_;  // special tokens that are no markers, sorted
};

}  // namespace varve::engine
