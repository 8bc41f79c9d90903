#include "engine/model_text.h"

#include <algorithm>

#include "text/detokenizer.h"

namespace varve::engine {

namespace {

/// Ids that decide how a continuation is decoded: more than the longest character has.
constexpr size_t kPrimedIds = 16;

class Decoder final : public TextDecoder {
 public:
  Decoder(const text::Tokenizer& tokenizer, std::span<const int32_t> before) : detokenizer_(tokenizer) {
    detokenizer_.prime(before.last(std::min(before.size(), kPrimedIds)));
  }
  std::string push(int32_t id) override { return detokenizer_.push(id); }
  std::string finish() override { return detokenizer_.finish(); }

 private:
  text::Detokenizer detokenizer_;
};

bool answer_continues(const Prompt& prompt) {
  if (const auto* ids = std::get_if<IdsPrompt>(&prompt)) return ids->continued;
  return std::holds_alternative<TextPrompt>(prompt);
}

}  // namespace

Result<std::vector<int32_t>> ModelText::encode(const Prompt& prompt) const {
  if (const auto* ids = std::get_if<IdsPrompt>(&prompt)) return ids->ids;
  if (const auto* plain = std::get_if<TextPrompt>(&prompt))
    return tokenizer_.encode(plain->text,
                             {.add_special = plain->add_special, .parse_special = plain->parse_special});
  return templates_.encode(std::get<text::ChatInput>(prompt), tokenizer_);
}

std::unique_ptr<TextDecoder> ModelText::decoder(const Prompt& prompt, std::span<const int32_t> ids) const {
  return std::make_unique<Decoder>(tokenizer_, answer_continues(prompt) ? ids : std::span<const int32_t>());
}

}  // namespace varve::engine
