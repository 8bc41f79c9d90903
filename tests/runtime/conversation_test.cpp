// A real chat model: conversations that come back as text are known to the token, whatever was sampled.
#include <gtest/gtest.h>

#include "runtime/loaded_model.h"
#include "support/data.h"

namespace varve::runtime {
namespace {

using namespace engine;

struct Turn {
  std::string text;
  std::vector<int32_t> ids;
  FinishEvent finish;
};

Turn ask(Engine& engine, const Request& request) {
  Turn turn;
  const auto submitted = engine.submit(request, [&turn](Event event) {
    if (const auto* answer = std::get_if<AnswerEvent>(&event)) {
      turn.text += said(*answer);
      for (const SampledToken& token : answer->tokens) turn.ids.push_back(token.id);
    } else if (auto* finish = std::get_if<FinishEvent>(&event)) {
      turn.finish = std::move(*finish);
    }
  });
  EXPECT_TRUE(submitted.ok());
  engine.run();
  return turn;
}

TEST(Conversation, ComesBackAsTextAndIsNotComputedAgain) {
  VARVE_NEEDS(test::smollm2_file());
  const auto model = LoadedModel::open(test::smollm2_file(), {.context = 2048, .cache_share = 0.05});
  text::ChatInput chat;
  const auto say = [&](const char* role, const std::string& content) {
    Table message;
    message.set("role", role);
    message.set("content", content);
    chat.messages.emplace_back(std::move(message));
  };
  say("system", "You are terse.");
  int64_t before = 0;
  bool recut = false;
  for (uint64_t turn = 0; turn < 4; ++turn) {
    say("user", "Tell me something odd.");
    Request request{.prompt = chat};
    request.sampling = {.temperature = 1.0, .seed = turn};
    for (char letter = 'a'; letter <= 'z'; ++letter)  // words letter by letter: not the tokenizer's tokens
      request.sampling.logit_bias.push_back(
          {.id = model->text().tokenizer().id(std::string(1, letter)).value(), .bias = 100.0f});
    request.limits = {.max_tokens = 20};
    const auto prepared = model->engine().prepare(request);
    ASSERT_TRUE(prepared.ok());
    const auto plain = model->text().encode(request.prompt).value();
    recut = recut || prepared.value().ids != plain;
    EXPECT_EQ(model->text().tokenizer().decode(prepared.value().ids),
              model->text().tokenizer().decode(plain));
    const Turn warm = ask(model->engine(), request);
    const Usage& usage = warm.finish.usage;
    EXPECT_GE(usage.cached_tokens, before) << turn;
    EXPECT_EQ(usage.remembered_tokens, usage.prompt_tokens - usage.cached_tokens);

    Request cold{.prompt = IdsPrompt{.ids = prepared.value().ids, .continued = false}};
    cold.sampling = request.sampling;
    cold.limits = request.limits;
    cold.cache = {.name_space = "cold" + std::to_string(turn), .remember = false};
    const Turn alone = ask(model->engine(), cold);
    EXPECT_EQ(alone.finish.usage.cached_tokens, 0);
    EXPECT_EQ(alone.ids, warm.ids);
    before = usage.prompt_tokens + usage.completion_tokens - 1;
    say("assistant", warm.text);
  }
  EXPECT_TRUE(recut);
}

}  // namespace
}  // namespace varve::runtime
