#pragma once
// A model that says what a test wants, over a tokenizer whose tokens are single bytes and a few markers: for
// everything about an answer's text, thoughts, calls and grammars.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/model_text.h"
#include "nn/model.h"
#include "text/text_assets.h"

namespace varve::test {

/// Added tokens of the tokenizer, from id 256 on. The first ends an answer.
struct Marker {
  std::string text;
  bool special = true;
};

/// A tokenizer of the 256 bytes (in the order of the ids) and these markers, and a chat template.
text::TextAssets byte_assets(const std::vector<Marker>& markers, const std::string& chat_template);

class ScriptModel final : public nn::Model {
 public:
  /// What to say when `answer` has been said: one token.
  using Script = std::function<int32_t(const std::vector<int32_t>& answer)>;

  explicit ScriptModel(int64_t vocab, int64_t max_positions = 4096);
  const nn::ModelSpec& spec() const override { return spec_; }
  const nn::StateLayout& state() const override { return state_; }
  int64_t position_class(int64_t) const override { return 0; }
  void forward(const nn::Step& step, ops::Backend& backend, const Output& output) override;

  /// From now on it wants to say these tokens, one after the other whatever came before, and then the end.
  void say(std::vector<int32_t> tokens);
  void set(Script script) { script_ = std::move(script); }
  /// Where answers begin.
  void set_prompt(size_t tokens) { prompt_ = tokens; }

 private:
  nn::ModelSpec spec_;
  nn::StateLayout state_;
  Script script_;
  size_t prompt_ = 0;
  std::map<const std::byte*, std::vector<int32_t>> seen_;  // a sequence's first page names it
};

}  // namespace varve::test
