// Windows of a text through a model: which tokens are predicted from which, and that no figure depends on how
// the work is cut. The fake model's logits are a hash of all tokens before, so one that is lost, shared or
// too many changes the figures.
#include "engine/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "engine/fake_model.h"

namespace varve::engine {
namespace {

using test::FakeModel;
using test::random_prompt;

Subject subject_of(FakeModel& model, const char* name = "fake") {
  return {&model, &test::no_backend(), name};
}

/// The same windows one token at a time, without pages: window k's predictions are those that count.
struct Window {
  int64_t begin, first;  // of the text; the first prediction
};
Evaluation by_hand(const FakeModel& model, const FakeModel* reference, const std::vector<int32_t>& ids,
                   const std::vector<Window>& windows, const EvaluateOptions& options) {
  std::vector<Prediction> all;
  for (const Window& window : windows)
    for (int64_t p = window.first; p + 1 < options.window; ++p) {
      std::vector<int32_t> before(ids.begin() + window.begin, ids.begin() + window.begin + p + 1);
      if (options.bos) before[0] = *options.bos;
      const std::vector<float> logits = model.logits(before);
      const std::vector<float> others = reference ? reference->logits(before) : std::vector<float>();
      all.push_back(predict(logits.data(), reference ? others.data() : nullptr, model.spec().vocab,
                            ids[static_cast<size_t>(window.begin + p + 1)]));
    }
  return summarize(all, reference != nullptr);
}

void expect_same(const Evaluation& a, const Evaluation& b) {
  EXPECT_EQ(a.positions, b.positions);
  const auto same = [](const Estimate& x, const Estimate& y) {
    EXPECT_EQ(x.value, y.value);
    EXPECT_EQ(x.error, y.error);
  };
  same(a.perplexity, b.perplexity);
  same(a.reference_perplexity, b.reference_perplexity);
  same(a.ratio, b.ratio);
  same(a.kl, b.kl);
  same(a.top1, b.top1);
  EXPECT_EQ(a.kl_median, b.kl_median);
  EXPECT_EQ(a.kl_99, b.kl_99);
  EXPECT_EQ(a.kl_max, b.kl_max);
  EXPECT_EQ(a.shift_rms, b.shift_rms);
}

constexpr FakeModel::Traits kPaged{};
constexpr FakeModel::Traits kRecurrent{.paged = false, .recurrent = true};
constexpr FakeModel::Traits kHybrid{.paged = true, .recurrent = true};

class Evaluate : public testing::TestWithParam<FakeModel::Traits> {
 protected:
  FakeModel model_{GetParam()};
  const std::vector<int32_t> ids_ = random_prompt(5, 205);
};

TEST_P(Evaluate, SideBySide) {
  const EvaluateOptions options{.window = 50};
  EXPECT_EQ(windows_in(205, options), 4);
  const Evaluation e = evaluate(subject_of(model_), {}, ids_, options);
  expect_same(e, by_hand(model_, nullptr, ids_, {{0, 0}, {50, 0}, {100, 0}, {150, 0}}, options));
  EXPECT_EQ(e.positions, 4 * 49);
}

TEST_P(Evaluate, OverlappingWindowsPredictEveryTokenOnce) {
  const EvaluateOptions options{.window = 50, .stride = 40};
  EXPECT_EQ(windows_in(205, options), 4);
  const Evaluation e = evaluate(subject_of(model_), {}, ids_, options);
  expect_same(e, by_hand(model_, nullptr, ids_, {{0, 0}, {40, 9}, {80, 9}, {120, 9}}, options));
  EXPECT_EQ(e.positions, 49 + 3 * 40) << "tokens 1 to 169";
}

TEST_P(Evaluate, SkippedPredictionsAndAFirstToken) {
  const EvaluateOptions options{.window = 50, .skip = 25, .bos = 3};
  const Evaluation e = evaluate(subject_of(model_), {}, ids_, options);
  expect_same(e, by_hand(model_, nullptr, ids_, {{0, 25}, {50, 25}, {100, 25}, {150, 25}}, options));
  EXPECT_EQ(e.positions, 4 * 24);
  const EvaluateOptions overlapping{.window = 50, .stride = 40, .skip = 4, .bos = 3};
  expect_same(evaluate(subject_of(model_), {}, ids_, overlapping),
              by_hand(model_, nullptr, ids_, {{0, 4}, {40, 9}, {80, 9}, {120, 9}}, overlapping));
}

TEST_P(Evaluate, ShortestWindows) {
  const EvaluateOptions options{.window = 2, .stride = 1};
  std::vector<Window> windows;
  for (int64_t i = 0; i < 204; ++i) windows.push_back({i, 0});
  expect_same(evaluate(subject_of(model_), {}, ids_, options),
              by_hand(model_, nullptr, ids_, windows, options));
}

TEST_P(Evaluate, NoFigureDependsOnTheBatchOrTheThreads) {
  FakeModel other(GetParam());
  other.perturbation = 1;
  ThreadPool pool(3);
  for (const EvaluateOptions& base :
       {EvaluateOptions{.window = 30}, EvaluateOptions{.window = 30, .stride = 7},
        EvaluateOptions{.window = 30, .skip = 12, .bos = 1}}) {
    EvaluateOptions options = base;
    options.rows = 1;
    const Evaluation alone = evaluate(subject_of(model_), subject_of(other), ids_, options);
    EXPECT_GT(alone.kl.value, 0);
    EXPECT_LT(alone.top1.value, 1);
    for (const int64_t rows : {0, 2, 7, 29, 30, 58, 100, 4096})
      for (ThreadPool* threads : {static_cast<ThreadPool*>(nullptr), &pool}) {
        SCOPED_TRACE(rows);
        options.rows = rows;
        options.pool = threads;
        expect_same(evaluate(subject_of(model_), subject_of(other), ids_, options), alone);
      }
  }
}

TEST_P(Evaluate, AgainstItself) {
  FakeModel twin(GetParam());
  const Evaluation e = evaluate(subject_of(model_), subject_of(twin), ids_, {.window = 64});
  EXPECT_EQ(e.kl.value, 0);
  EXPECT_EQ(e.kl.error, 0);
  EXPECT_EQ(e.kl_99, 0);
  EXPECT_EQ(e.kl_max, 0);
  EXPECT_EQ(e.top1.value, 1);
  EXPECT_EQ(e.ratio.value, 1);
  EXPECT_EQ(e.ratio.error, 0);
  EXPECT_EQ(e.shift_rms, 0);
  EXPECT_EQ(e.perplexity.value, e.reference_perplexity.value);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Evaluate, testing::Values(kPaged, kRecurrent, kHybrid));

TEST(EvaluateSteps, HoldWholeWindowsAndOnlyTheLogitsThatCount) {
  FakeModel model;
  model.record = true;
  evaluate(subject_of(model), {}, random_prompt(1, 100), {.window = 20, .skip = 10, .rows = 60});
  ASSERT_EQ(model.steps.size(), 2u) << "three windows of 19 rows, then two";
  EXPECT_EQ(model.steps[0].slices.size(), 3u);
  EXPECT_EQ(model.steps[1].rows(), 2 * 19) << "the last token of a window predicts nothing";
  EXPECT_EQ(model.steps[0].logit_rows.size(), 3u * 9);
}

TEST(EvaluateSteps, ProgressGoesForwardToTheEnd) {
  FakeModel model;
  std::vector<int64_t> seen;
  int64_t last_total = 0;
  evaluate(subject_of(model), {}, random_prompt(1, 100),
           {.window = 20, .rows = 7, .progress = [&](int64_t done, int64_t total) {
              seen.push_back(done);
              last_total = total;
            }});
  EXPECT_EQ(seen.size(), 15u);
  for (size_t i = 1; i < seen.size(); ++i) EXPECT_GT(seen[i], seen[i - 1]);
  EXPECT_EQ(seen.back(), 95);
  EXPECT_EQ(last_total, 95);
}

TEST(EvaluateSteps, LogitsThatAreNoNumbersNameTheModel) {
  for (const bool reference : {false, true}) {
    FakeModel good, bad;
    bad.poison = std::numeric_limits<float>::quiet_NaN();
    try {
      evaluate(subject_of(reference ? good : bad, "first"), subject_of(reference ? bad : good, "second"),
               random_prompt(1, 40), {.window = 20});
      FAIL();
    } catch (const LoadError& error) {
      EXPECT_EQ(error.parts().where, reference ? "second" : "first");
    }
  }
}

TEST(EvaluateSteps, MemoryThatIsNotThereIsAskedForFirst) {
  FakeModel vast({.vocab = int64_t{1} << 40});
  try {
    evaluate(subject_of(vast, "vast"), {}, random_prompt(1, 40), {.window = 20});
    FAIL();
  } catch (const LoadError& error) {
    EXPECT_EQ(error.parts().what, "too little memory for windows of 20 tokens");
    EXPECT_EQ(error.parts().where, "vast");
  }
}

}  // namespace
}  // namespace varve::engine
