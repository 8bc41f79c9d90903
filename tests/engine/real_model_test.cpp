// The whole line with a trained model: published goldens, one answer (design rule 5) in both precisions,
// conversations, text.
#include <gtest/gtest.h>

#include <tuple>

#include "core/json.h"
#include "engine/engine.h"
#include "engine/model_text.h"
#include "engine/witness.h"
#include "models/runner.h"
#include "support/data.h"
#include "support/goldens.h"

namespace varve::engine {
namespace {

struct Collected {
  std::string text;
  std::vector<int32_t> ids;
  std::vector<FinishEvent> finishes;
  Sink sink() {
    return [this](Event event) {
      if (const auto* answer = std::get_if<AnswerEvent>(&event)) {
        text += said(*answer);
        for (const SampledToken& token : answer->tokens) ids.push_back(token.id);
      } else if (auto* finish = std::get_if<FinishEvent>(&event)) {
        finishes.push_back(std::move(*finish));
      }
    };
  }
};

std::unique_ptr<Engine> make(nn::Model& model, const test::Loaded& loaded, const TextCodec* codec,
                             const Engine::Options& options) {
  auto made = Engine::create(model, *loaded.backend, codec, options);
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(made.value());
}

Request request_of(std::vector<int32_t> ids, int64_t count) {
  Request request;
  request.prompt = IdsPrompt{std::move(ids)};
  request.sampling.temperature = 0;
  request.limits = {.max_tokens = count, .ignore_eos = true};
  return request;
}

class Stories : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = test::shared_data("models/stories260K");
    VARVE_NEEDS(dir_);
    golden_ = json::read_file(dir_ / "golden.json");
  }
  std::filesystem::path dir_;
  Value golden_;
};

TEST_F(Stories, GoldenIdsAndTextAllAtOnce) {
  const test::Loaded loaded = test::load(dir_, {});
  const ModelText text(text::load_text_assets(dir_));
  auto engine = make(*loaded.model, loaded, &text, {.memory = {.cache_bytes = 50'000'000}});
  const Array& cases = golden_.find("cases")->array();
  std::vector<Collected> answers(cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto count = static_cast<int64_t>(cases[i].find("greedy_ids")->array().size());
    Request request = request_of({}, count);
    request.prompt = TextPrompt{.text = cases[i].find("prompt")->text()};
    ASSERT_TRUE(engine->submit(std::move(request), answers[i].sink()).ok());
  }
  engine->run();
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(answers[i].ids, test::ids_of(*cases[i].find("greedy_ids")));
    EXPECT_EQ(answers[i].finishes.at(0).usage.prompt_tokens,
              static_cast<int64_t>(cases[i].find("prompt_ids")->array().size()));
  }
  const std::string& published = golden_.find("published_golden")->text();
  EXPECT_EQ(answers[0].text.substr(0, published.size()), published);
}

/// Prompts of many lengths, greedy and drawn, long enough to cross pages.
std::vector<Request> mixed_requests(const std::vector<int32_t>& story) {
  std::vector<Request> requests;
  for (size_t i = 0; i < 16; ++i) {
    const auto begin = story.begin() + static_cast<ptrdiff_t>(i);
    Request request =
        request_of(std::vector<int32_t>(begin, begin + static_cast<ptrdiff_t>(1 + (i * 29) % 90)), 24);
    request.cache.remember = false;  // what runs together must not depend on what ran before
    if (i % 2 == 1) {
      request.sampling = {.temperature = 0.8, .top_k = 40, .top_p = 0.95, .seed = i};
      request.sampling.repetition_penalty = i % 4 == 3 ? 1.2 : 1.0;
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

class OneAnswer : public Stories, public testing::WithParamInterface<ops::Precision> {};

TEST_P(OneAnswer, SameTokensAndSameBitsWhateverTheChunksTheBatchAndTheThreads) {
  const auto requests = mixed_requests(test::ids_of(*golden_.find_path("golden_logits.ids")));
  test::Testimony testimony;
  std::vector<std::vector<int32_t>> alone;
  for (const int threads : {1, 2}) {
    const test::Loaded loaded = test::load(dir_, {.precision = GetParam(), .threads = threads});
    test::Witness witness(*loaded.model, testimony);
    for (int64_t batch = 1; batch <= 16; ++batch) {
      for (const int64_t chunk : {1, 7, 64, 4096}) {
        const bool every_chunk = batch == 1 || batch == 3 || batch == 16;
        if (!every_chunk && (threads == 2 || chunk != 7))
          continue;  // every batch, every chunk, not every pair
        auto engine = make(witness, loaded, nullptr,
                           {.memory = {.cache_bytes = 50'000'000, .max_sequences = batch},
                            .step_tokens = std::max(chunk, batch),
                            .step_seconds = 0});
        std::vector<Collected> answers(requests.size());
        for (size_t i = 0; i < requests.size(); ++i)
          ASSERT_TRUE(engine->submit(requests[i], answers[i].sink()).ok());
        engine->run();
        for (size_t i = 0; i < requests.size(); ++i) {
          if (alone.size() == i) alone.push_back(answers[i].ids);
          ASSERT_EQ(answers[i].ids, alone[i]) << "batch " << batch << " chunk " << chunk;
          ASSERT_EQ(answers[i].ids.size(), 24u);
        }
      }
    }
  }
  EXPECT_GT(testimony.compared(), 10'000);
}

TEST_P(OneAnswer, AConversationGoesOnWithTheSameBits) {
  const std::vector<int32_t> story = test::ids_of(*golden_.find_path("golden_logits.ids"));
  const test::Loaded loaded = test::load(dir_, {.precision = GetParam()});
  test::Testimony testimony;
  test::Witness witness(*loaded.model, testimony);
  auto engine = make(witness, loaded, nullptr, {});
  std::vector<int32_t> history;
  for (size_t turn = 0; turn < 8; ++turn) {
    history.insert(history.end(), story.begin() + static_cast<ptrdiff_t>(turn * 9),
                   story.begin() + static_cast<ptrdiff_t>(turn * 9 + 13));
    Request request = request_of(history, 20);
    Collected cold, warm;
    request.cache = {.name_space = "cold", .remember = false};
    ASSERT_TRUE(engine->submit(request, cold.sink()).ok());
    request.cache = {};
    ASSERT_TRUE(engine->submit(request, warm.sink()).ok());
    engine->run();
    EXPECT_EQ(warm.ids, cold.ids);
    EXPECT_EQ(cold.finishes.at(0).usage.cached_tokens, 0);
    EXPECT_EQ(warm.finishes[0].usage.cached_tokens,
              turn == 0 ? 0 : static_cast<int64_t>(history.size()) - 14);
    history.insert(history.end(), warm.ids.begin(), warm.ids.end());
  }
  EXPECT_GE(testimony.compared(), 160);
}

INSTANTIATE_TEST_SUITE_P(Precisions, OneAnswer, testing::Values(ops::Precision::exact, ops::Precision::fast),
                         [](const auto& test) {
                           return std::string(test.param == ops::Precision::exact ? "exact" : "fast");
                         });

TEST_F(Stories, StopStringsInRealText) {
  const test::Loaded loaded = test::load(dir_, {});
  const ModelText text(text::load_text_assets(dir_));
  auto engine = make(*loaded.model, loaded, &text, {.stop_ids = {1, 2}});
  const std::string& published = golden_.find("published_golden")->text();
  for (const std::string& stop : {std::string("little girl"), std::string(".\n"), std::string("e")}) {
    Request request = request_of({1}, 300);
    request.limits.stop = {stop};
    Collected answer;
    ASSERT_TRUE(engine->submit(std::move(request), answer.sink()).ok());
    engine->run();
    const size_t at = published.find(stop);
    EXPECT_EQ(answer.text, published.substr(0, at == std::string::npos ? published.size() : at));
    EXPECT_EQ(answer.finishes.at(0).stop, stop);
    EXPECT_EQ(answer.finishes[0].reason, FinishReason::stop);
  }
}

}  // namespace
}  // namespace varve::engine
