#include "engine/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

namespace varve::engine {
namespace {

constexpr int64_t kVocab = 100;

std::string refused(const std::function<void(Sampling&)>& change) {
  Sampling sampling;
  change(sampling);
  const auto error = refuse(sampling, kVocab);
  return error ? error->field : "";
}

TEST(Sampling, DefaultsAreAccepted) {
  EXPECT_EQ(refused([](Sampling&) {}), "");
}

struct NumberCase {
  const char* field;
  double Sampling::*member;
  double low;
  double high;
  bool low_allowed;
};

class SamplingNumber : public testing::TestWithParam<NumberCase> {};

TEST_P(SamplingNumber, OnlyItsRangeIsAccepted) {
  const NumberCase& c = GetParam();
  const auto with = [&](double value) { return refused([&](Sampling& s) { s.*c.member = value; }); };
  EXPECT_EQ(with(c.low), c.low_allowed ? "" : c.field);
  EXPECT_EQ(with(c.high), "");
  EXPECT_EQ(with((c.low + c.high) / 2), "");
  EXPECT_EQ(with(std::nextafter(c.low, -1000.0)), c.field);
  EXPECT_EQ(with(std::nextafter(c.high, 1000.0)), c.field);
  EXPECT_EQ(with(std::numeric_limits<double>::quiet_NaN()), c.field);
  EXPECT_EQ(with(std::numeric_limits<double>::infinity()), c.field);
  EXPECT_EQ(with(-std::numeric_limits<double>::infinity()), c.field);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, SamplingNumber,
    testing::Values(NumberCase{"temperature", &Sampling::temperature, 0.0, 100.0, true},
                    NumberCase{"top_p", &Sampling::top_p, 0.0, 1.0, false},
                    NumberCase{"min_p", &Sampling::min_p, 0.0, 1.0, true},
                    NumberCase{"typical_p", &Sampling::typical_p, 0.0, 1.0, false},
                    NumberCase{"repetition_penalty", &Sampling::repetition_penalty, 0.0, 100.0, false},
                    NumberCase{"presence_penalty", &Sampling::presence_penalty, -2.0, 2.0, true},
                    NumberCase{"frequency_penalty", &Sampling::frequency_penalty, -2.0, 2.0, true}),
    [](const auto& test) { return std::string(test.param.field); });

TEST(Sampling, WholeNumbersAndLists) {
  EXPECT_EQ(refused([](Sampling& s) { s.top_k = -1; }), "top_k");
  EXPECT_EQ(refused([](Sampling& s) { s.top_k = std::numeric_limits<int32_t>::max(); }), "");
  EXPECT_EQ(refused([](Sampling& s) { s.top_logprobs = -1; }), "top_logprobs");
  EXPECT_EQ(refused([](Sampling& s) { s.top_logprobs = 21; }), "top_logprobs");
  EXPECT_EQ(refused([](Sampling& s) { s.top_logprobs = 20; }), "");
  EXPECT_EQ(refused([](Sampling& s) { s.logit_bias = {{100, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(refused([](Sampling& s) { s.logit_bias = {{-1, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(refused([](Sampling& s) { s.logit_bias = {{0, 100.5f}}; }), "logit_bias");
  EXPECT_EQ(refused([](Sampling& s) { s.logit_bias = {{0, std::nanf("")}}; }), "logit_bias");
  EXPECT_EQ(refused([](Sampling& s) { s.logit_bias.assign(4097, {0, 1.0f}); }), "logit_bias");
  EXPECT_EQ(refused([](Sampling& s) { s.logit_bias.assign(4096, {99, -100.0f}); }), "");
}

TEST(Sampling, TheMessageSaysWhatIsAllowed) {
  Sampling sampling{.top_p = 1.5};
  EXPECT_EQ(refuse(sampling, kVocab)->message, "top_p must be greater than 0 and at most 1; it is 1.5");
}

}  // namespace
}  // namespace varve::engine
