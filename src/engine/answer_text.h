#pragma once
// The text of one answer: tokens -> detokenizer -> stop strings -> what may be shown.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/stop_strings.h"
#include "engine/text.h"

namespace varve::engine {

class AnswerText {
 public:
  AnswerText() = default;
  /// `decoder` may be null: then there is no text.
  AnswerText(std::unique_ptr<TextDecoder> decoder, std::vector<std::string> stops)
      : decoder_(std::move(decoder)), stops_(std::move(stops)) {}

  std::string push(int32_t id) { return decoder_ ? stops_.push(decoder_->push(id)) : std::string(); }
  /// The answer has ended: all that was held back.
  std::string finish() {
    if (!decoder_ || !stop_found().empty()) return {};
    std::string text = stops_.push(decoder_->finish());
    return text + stops_.finish();
  }
  const std::string& stop_found() const { return stops_.found(); }

 private:
  std::unique_ptr<TextDecoder> decoder_;
  StopStrings stops_;
};

}  // namespace varve::engine
