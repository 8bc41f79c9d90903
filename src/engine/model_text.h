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
  explicit ModelText(const text::TextAssets& assets)
      : tokenizer_(text::Tokenizer::load(assets)), templates_(text::ChatTemplates::load(assets)) {}

  Result<std::vector<int32_t>> encode(const Prompt& prompt) const override;
  bool is_control(int32_t id) const override { return tokenizer_.is_control(id); }
  std::string bytes(int32_t id) const override { return tokenizer_.bytes(id); }
  std::unique_ptr<TextDecoder> decoder(const Prompt& prompt, std::span<const int32_t> ids) const override;

  const text::Tokenizer& tokenizer() const { return tokenizer_; }
  const text::ChatTemplates& templates() const { return templates_; }

 private:
  text::Tokenizer tokenizer_;
  text::ChatTemplates templates_;
};

}  // namespace varve::engine
