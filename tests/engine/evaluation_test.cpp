// The figures of an evaluation, on distributions and lists that a hand can compute.
#include "engine/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace varve::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kRounding = 1e-14;

// ln 2 as a float, and what it is the logarithm of.
const float kLn2 = std::log(2.0f);
const double kTwo = std::exp(static_cast<double>(kLn2));

TEST(Predict, ProbabilitiesOfASmallVocabulary) {
  const float logits[] = {0.0f, kLn2, 0.0f};  // 1 : 2 : 1
  for (int32_t token = 0; token < 3; ++token) {
    const Prediction one = predict(logits, nullptr, 3, token);
    EXPECT_NEAR(std::exp(-one.loss), (token == 1 ? kTwo : 1.0) / (2 + kTwo), kRounding);
    EXPECT_EQ(one.kl, 0);
    EXPECT_EQ(one.reference_loss, 0);
  }
  const float shifted[] = {700.0f, 700.0f + kLn2, 700.0f};  // exp() of these overflows a float
  EXPECT_NEAR(predict(shifted, nullptr, 3, 1).loss, predict(logits, nullptr, 3, 1).loss, 1e-4);
}

TEST(Predict, DivergenceOfTwoDistributions) {
  const float logits[] = {0.0f, kLn2}, even[] = {5.0f, 5.0f};
  const double low = 1 / (1 + kTwo), high = kTwo / (1 + kTwo);
  const Prediction one = predict(logits, even, 2, 1);
  EXPECT_NEAR(one.loss, -std::log(high), kRounding);
  EXPECT_NEAR(one.reference_loss, std::log(2.0), kRounding);
  EXPECT_NEAR(one.kl, 0.5 * std::log(0.5 / low) + 0.5 * std::log(0.5 / high), kRounding);
  EXPECT_FALSE(one.same_top) << "the first of equals is the most likely";
  const Prediction other = predict(even, logits, 2, 1);
  EXPECT_NEAR(other.kl, low * std::log(low / 0.5) + high * std::log(high / 0.5), kRounding)
      << "the divergence has a direction: the reference's tokens weigh";
}

TEST(Predict, OfAModelAgainstItselfIsNothing) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = static_cast<float>(std::sin(double(i) * 12.9898) * 9);
  const Prediction one = predict(logits.data(), logits.data(), 1000, 17);
  EXPECT_EQ(one.kl, 0);
  EXPECT_EQ(one.loss, one.reference_loss);
  EXPECT_TRUE(one.same_top);
}

TEST(Predict, TokensThatCannotCome) {
  const float some[] = {0.0f, -kInfinity, 0.0f}, all[] = {0.0f, 0.0f, 0.0f};
  EXPECT_NEAR(predict(some, some, 3, 0).loss, std::log(2.0), kRounding);
  EXPECT_EQ(predict(some, some, 3, 0).kl, 0);
  EXPECT_NEAR(predict(all, some, 3, 0).kl, std::log(1.5), kRounding);
  EXPECT_TRUE(std::isinf(predict(some, all, 3, 0).kl)) << "the reference expects what the model rules out";
}

TEST(Predict, LogitsThatAreNoDistribution) {
  const float good[] = {1.0f, 2.0f, 3.0f};
  const float nan = std::nanf("");
  for (const auto& bad : std::vector<std::vector<float>>{{nan, 0, 0},
                                                         {0, nan, 0},
                                                         {0, 0, nan},
                                                         {nan, nan, nan},
                                                         {0, kInfinity, 0},
                                                         {-kInfinity, -kInfinity, -kInfinity}}) {
    EXPECT_TRUE(std::isnan(predict(bad.data(), nullptr, 3, 1).loss));
    EXPECT_TRUE(std::isnan(predict(good, bad.data(), 3, 1).reference_loss));
  }
}

std::vector<Prediction> with_losses(const std::vector<double>& losses) {
  std::vector<Prediction> out;
  for (const double loss : losses) out.push_back({.loss = loss});
  return out;
}

TEST(Summarize, PerplexityAndItsStandardError) {
  const Evaluation e = summarize(with_losses({1, 2, 3, 4}), false);
  EXPECT_EQ(e.positions, 4);
  EXPECT_NEAR(e.perplexity.value, std::exp(2.5), kRounding * 20);
  // Sample variance (2.25 + 0.25 + 0.25 + 2.25) / 3 over 4 predictions.
  EXPECT_NEAR(e.perplexity.error, std::exp(2.5) * std::sqrt(5.0 / 3 / 4), kRounding * 20);
  EXPECT_EQ(e.reference_perplexity.value, 0);
  EXPECT_EQ(summarize(with_losses({2, 2, 2}), false).perplexity.error, 0);
  EXPECT_TRUE(std::isnan(summarize(with_losses({2}), false).perplexity.error));
}

TEST(Summarize, PercentilesOfKnownData) {
  std::vector<Prediction> some;
  for (int i = 0; i <= 100; ++i)
    some.push_back({.kl = static_cast<double>(i * 37 % 101)});  // 0 to 100, mixed
  Evaluation e = summarize(some, true);
  EXPECT_EQ(e.kl.value, 50);
  EXPECT_EQ(e.kl_median, 50);
  EXPECT_EQ(e.kl_99, 99);
  EXPECT_EQ(e.kl_max, 100);
  some.resize(0);
  for (const double kl : {8.0, 0.0, 2.0, 4.0}) some.push_back({.kl = kl});
  e = summarize(some, true);
  EXPECT_EQ(e.kl_median, 3) << "between the middle two";
  EXPECT_NEAR(e.kl_99, 4 + 4 * 0.97, kRounding) << "place 2.97 of 0 to 3";
  EXPECT_EQ(e.kl_max, 8);
  EXPECT_NEAR(e.kl.error, std::sqrt((4.5 * 4.5 + 3.5 * 3.5 + 1.5 * 1.5 + 0.5 * 0.5) / 3 / 4), kRounding);
}

TEST(Summarize, ComparesPairs) {
  // One model is always a factor of e^0.5 worse: its ratio is certain, however much the text varies.
  std::vector<Prediction> some;
  for (const double loss : {1.0, 5.0, 2.0, 8.0})
    some.push_back({.loss = loss + 0.5, .reference_loss = loss, .kl = 0, .same_top = loss > 1});
  const Evaluation e = summarize(some, true);
  EXPECT_NEAR(e.reference_perplexity.value, std::exp(4.0), 1e-12);
  EXPECT_NEAR(e.ratio.value, std::exp(0.5), kRounding);
  EXPECT_NEAR(e.ratio.error, 0, kRounding);
  EXPECT_GT(e.perplexity.error, 1);
  EXPECT_EQ(e.top1.value, 0.75);
  EXPECT_NEAR(e.top1.error, std::sqrt(0.75 * 0.25 / 3), kRounding);
  double squares = 0;
  for (const double loss : {1.0, 5.0, 2.0, 8.0})
    squares += std::pow(std::exp(-loss - 0.5) - std::exp(-loss), 2);
  EXPECT_NEAR(e.shift_rms, std::sqrt(squares / 4), kRounding);
}

}  // namespace
}  // namespace varve::engine
