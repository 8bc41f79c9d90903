// Grammars, thoughts and choices with a trained model.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "core/json.h"
#include "engine/engine.h"
#include "engine/model_text.h"
#include "models/runner.h"
#include "support/data.h"

namespace varve::engine {
namespace {

struct Collected {
  std::vector<std::string> text = std::vector<std::string>(kMaxChoices);
  std::vector<std::vector<int32_t>> ids = std::vector<std::vector<int32_t>>(kMaxChoices);
  std::vector<Piece> pieces;
  std::vector<FinishEvent> finishes;
  Sink sink() {
    return [this](Event event) {
      if (auto* answer = std::get_if<AnswerEvent>(&event)) {
        const auto choice = static_cast<size_t>(answer->choice);
        text[choice] += said(*answer);
        for (const SampledToken& token : answer->tokens) ids[choice].push_back(token.id);
        for (Piece& piece : answer->pieces) append_piece(pieces, std::move(piece));
      } else if (auto* finish = std::get_if<FinishEvent>(&event)) {
        finishes.push_back(std::move(*finish));
      } else if (const auto* error = std::get_if<ErrorEvent>(&event)) {
        ADD_FAILURE() << error->error.message;
      }
    };
  }
};

class Guided : public testing::Test {
 protected:
  void SetUp() override {
    const auto dir = test::shared_data("models/stories260K");
    VARVE_NEEDS(dir);
    loaded_ = test::load(dir, {.precision = ops::Precision::fast});
    text_ = std::make_unique<ModelText>(text::load_text_assets(dir));
    auto made = Engine::create(*loaded_.model, *loaded_.backend, text_.get(),
                               {.memory = {.cache_bytes = 20'000'000}, .stop_ids = {1, 2}});
    engine_ = std::move(made.value());
  }
  Request story(uint64_t seed) const {
    Request request;
    request.prompt = TextPrompt{.text = "Once upon a time, "};
    request.sampling = {.temperature = 1.0, .seed = seed};
    request.limits.max_tokens = 60;
    return request;
  }

  test::Loaded loaded_;
  std::unique_ptr<ModelText> text_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(Guided, WhateverIsDrawnMatches) {
  std::vector<Collected> answers(40);
  for (size_t i = 0; i < answers.size(); ++i) {
    Request request = story(i);
    request.limits.max_tokens = 200;
    request.form.grammar =
        i % 2 == 0 ? Grammar{.kind = text::GrammarKind::regex, .text = "(a|b)[0-9]{3}( cat| dog){2}"}
                   : Grammar{.kind = text::GrammarKind::json_schema,
                             .text = R"({"type": "object", "properties": {"n": {"type": "integer",
                                 "minimum": 3, "maximum": 99}, "who": {"enum": ["cat", "dog"]}},
                                 "required": ["n", "who"], "additionalProperties": false})"};
    ASSERT_TRUE(engine_->submit(std::move(request), answers[i].sink()).ok());
  }
  engine_->run();
  std::set<std::string> different;
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string& text = answers[i].text[0];
    different.insert(text);
    if (answers[i].finishes.at(0).reason == FinishReason::length) continue;  // white space for ever
    if (i % 2 == 0) {
      EXPECT_TRUE(std::regex_match(text, std::regex("(a|b)[0-9]{3}( cat| dog){2}"))) << text;
    } else {
      const auto value = json::parse(text);
      ASSERT_TRUE(value.ok()) << text;
      EXPECT_GE(value.value().find("n")->integer(), 3);
      EXPECT_LE(value.value().find("n")->integer(), 99);
      EXPECT_TRUE(*value.value().find("who") == Value("cat") || *value.value().find("who") == Value("dog"));
    }
  }
  EXPECT_GT(different.size(), 20u);
}

/// A mask changes which token is taken, never the numbers: beside constrained ones an answer stays the same.
TEST_F(Guided, NobodyElseIsTouched) {
  Collected alone, beside, constrained;
  ASSERT_TRUE(engine_->submit(story(5), alone.sink()).ok());
  engine_->run();
  Request request = story(6);
  request.form.grammar = Grammar{.kind = text::GrammarKind::regex, .text = "[a-z ]{40}"};
  ASSERT_TRUE(engine_->submit(std::move(request), constrained.sink()).ok());
  ASSERT_TRUE(engine_->submit(story(5), beside.sink()).ok());
  engine_->run();
  EXPECT_EQ(beside.ids[0], alone.ids[0]);
  EXPECT_EQ(constrained.text[0].size(), 40u);
}

TEST_F(Guided, ChoicesAreThoseOfSeparateRequests) {
  Collected together;
  Request request = story(100);
  request.choices = 4;
  ASSERT_TRUE(engine_->submit(request, together.sink()).ok());
  engine_->run();
  EXPECT_EQ(together.finishes.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    Collected alone;
    ASSERT_TRUE(engine_->submit(story(100 + i), alone.sink()).ok());
    engine_->run();
    EXPECT_EQ(together.ids[i], alone.ids[0]);
    EXPECT_EQ(together.text[i], alone.text[0]);
  }
  request.form.grammar = Grammar{.kind = text::GrammarKind::regex, .text = "[a-z ]{30}"};
  Collected constrained;
  ASSERT_TRUE(engine_->submit(request, constrained.sink()).ok());
  engine_->run();
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(constrained.text[i].size(), 30u);
  EXPECT_NE(constrained.text[0], constrained.text[1]);
  EXPECT_EQ(engine_->stats().pages_held, engine_->stats().prefix.pages);
}

}  // namespace
}  // namespace varve::engine
