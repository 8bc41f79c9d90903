#include "engine/model_text.h"

#include <algorithm>

#include "text/detokenizer.h"

namespace varve::engine {

namespace {

/// Ids that decide how a continuation is decoded: more than the longest character has.
constexpr size_t kPrimedIds = 16;

class Decoder final : public TextDecoder {
 public:
  /// `left_out`: the only special tokens that are, sorted; null: all are.
  Decoder(const text::Tokenizer& tokenizer, std::span<const int32_t> before,
          const std::vector<int32_t>* left_out)
      : detokenizer_(tokenizer, left_out == nullptr), left_out_(left_out) {
    detokenizer_.prime(before.last(std::min(before.size(), kPrimedIds)));
  }
  std::string push(int32_t id) override {
    if (left_out_ && std::binary_search(left_out_->begin(), left_out_->end(), id)) return {};
    return detokenizer_.push(id);
  }
  std::string finish() override { return detokenizer_.finish(); }

 private:
  text::Detokenizer detokenizer_;
  const std::vector<int32_t>* left_out_;
};

bool answer_continues(const Prompt& prompt) {
  if (const auto* ids = std::get_if<IdsPrompt>(&prompt)) return ids->continued;
  return std::holds_alternative<TextPrompt>(prompt);
}

}  // namespace

ModelText::ModelText(const text::TextAssets& assets)
    : tokenizer_(text::Tokenizer::load(assets)), templates_(text::ChatTemplates::load(assets)) {
  text::ChatInput input;
  auto choice = text::syntax::detect(templates_.source(input), tokenizer_.added_tokens());
  // Calls may be spelled in a template of their own.
  input.tools = Array();
  choice.tools = text::syntax::detect(templates_.source(input), tokenizer_.added_tokens()).tools;
  set_syntax(choice);
}

Result<std::monostate> ModelText::use_syntax(std::string_view tools, std::string_view reasoning) {
  auto choice = text::syntax::override_syntax(syntax_.choice, tools, reasoning);
  if (!choice) return choice.error();
  set_syntax(choice.value());
  return std::monostate{};
}

void ModelText::set_syntax(const text::syntax::SyntaxChoice& choice) {
  syntax_ = {.choice = choice, .hidden_markers = {}};
  left_out_.clear();
  const std::vector<std::string> shown = choice.shown_tokens();
  // A token may be the beginning of a marker: "<|channel>" of "<|channel>thought".
  const auto is_shown = [&](const std::string& token) {
    return std::any_of(shown.begin(), shown.end(),
                       [&](const std::string& text) { return text.find(token) != std::string::npos; });
  };
  for (const text::AddedToken& token : tokenizer_.added_tokens()) {
    if (!token.special || token.content.empty()) continue;
    if (is_shown(token.content)) {
      syntax_.hidden_markers.push_back(token);
    } else {
      left_out_.push_back(token.id);
    }
  }
  std::sort(left_out_.begin(), left_out_.end());
}

Result<std::vector<int32_t>> ModelText::encode(const Prompt& prompt) const {
  if (const auto* ids = std::get_if<IdsPrompt>(&prompt)) return ids->ids;
  if (const auto* plain = std::get_if<TextPrompt>(&prompt))
    return tokenizer_.encode(plain->text,
                             {.add_special = plain->add_special, .parse_special = plain->parse_special});
  return templates_.encode(std::get<text::ChatInput>(prompt), tokenizer_);
}

std::unique_ptr<TextDecoder> ModelText::decoder(const Prompt& prompt, std::span<const int32_t> ids,
                                                bool markers) const {
  return std::make_unique<Decoder>(tokenizer_, answer_continues(prompt) ? ids : std::span<const int32_t>(),
                                   markers ? &left_out_ : nullptr);
}

}  // namespace varve::engine
