#pragma once
// The text side of a model, whatever files it lies in: its tokenizer and chat templates, and through them
// the engine's two arrows between text and ids.
#include <filesystem>
#include <memory>

#include "checkpoint/checkpoint.h"
#include "engine/text.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace varve::runtime {

class ModelText : public engine::TextCodec {
 public:
  /// A directory, a tokenizer.json or tokenizer.model, or a .gguf file. A LoadError says what is missing.
  static std::unique_ptr<ModelText> load(const std::filesystem::path& path);
  /// The same of a checkpoint that is open already.
  static std::unique_ptr<ModelText> load(const checkpoint::Checkpoint& checkpoint);

  const text::Tokenizer& tokenizer() const { return tokenizer_; }
  const text::ChatTemplates& templates() const { return templates_; }

  Result<std::vector<int32_t>> encode(const engine::Prompt& prompt) const override;
  std::unique_ptr<engine::TextDecoder> decoder(const engine::Prompt& prompt,
                                               std::span<const int32_t> ids) const override;

 private:
  explicit ModelText(const text::TextAssets& assets);

  text::Tokenizer tokenizer_;
  text::ChatTemplates templates_;
};

}  // namespace varve::runtime
