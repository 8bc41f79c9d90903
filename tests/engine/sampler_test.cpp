// The sampler against a plain reading of its description, in double precision, and against statistics.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "engine/random.h"

namespace varve::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(uint64_t seed, size_t count, double spread = 2.0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0.0, spread);
  std::vector<float> out(count);
  for (float& logit : out) logit = static_cast<float>(normal(random));
  return out;
}

int32_t sample(const Sampling& sampling, const std::vector<float>& logits, int64_t position = 0,
               const TokenHistory& history = {}, std::span<const uint32_t> mask = {}) {
  Sampler sampler;
  const auto token = sampler.sample({.sampling = sampling,
                                     .history = history,
                                     .logits = logits,
                                     .seed = sampling.seed.value_or(0),
                                     .position = position,
                                     .mask = mask});
  return token ? token->id : -1;
}

// ---- the reference ----

struct Entry {
  int32_t id;
  double logit;
  double p = 0;
};

void normalise(std::vector<Entry>& entries) {
  double sum = 0;
  for (const Entry& e : entries) sum += e.p;
  for (Entry& e : entries) e.p /= sum;
}

/// Sorts by `key` (small first, ties by id) and keeps the head that holds `mass`.
template <class Key>
void keep_head(std::vector<Entry>& entries, double mass, const Key& key) {
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
  double held = 0;
  size_t kept = 0;
  while (kept < entries.size() && held < mass) held += entries[kept++].p;
  entries.resize(std::max<size_t>(kept, 1));
  normalise(entries);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
}

/// What may be drawn, in order of id, with its probability.
std::vector<Entry> reference(const Sampling& s, const std::vector<float>& logits,
                             const std::vector<int32_t>& prompt, const std::vector<int32_t>& answer) {
  std::vector<Entry> entries;
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    float logit = logits[i];
    for (const LogitBias& entry : s.logit_bias)
      if (entry.id == id) logit += entry.bias;
    const auto times = std::count(answer.begin(), answer.end(), id);
    if (times > 0 || std::count(prompt.begin(), prompt.end(), id) > 0) {
      const auto r = static_cast<float>(s.repetition_penalty);
      logit = logit > 0 ? logit / r : logit * r;
    }
    logit -= static_cast<float>(s.frequency_penalty) * static_cast<float>(times);
    if (times > 0) logit -= static_cast<float>(s.presence_penalty);
    entries.push_back({id, static_cast<double>(logit)});
  }
  double most = entries[0].logit;
  for (const Entry& e : entries) most = std::max(most, e.logit);
  for (Entry& e : entries) e.p = std::exp((e.logit - most) / s.temperature);
  normalise(entries);
  const auto unlikely = [](const Entry& e) { return -e.logit; };
  if (s.top_k > 0 && static_cast<size_t>(s.top_k) < entries.size()) {
    std::stable_sort(entries.begin(), entries.end(),
                     [&](const Entry& a, const Entry& b) { return unlikely(a) < unlikely(b); });
    entries.resize(static_cast<size_t>(s.top_k));
    keep_head(entries, 2.0, unlikely);
  }
  if (s.typical_p < 1.0) {
    double entropy = 0;
    for (const Entry& e : entries)
      if (e.p > 0) entropy -= e.p * std::log(e.p);
    keep_head(entries, s.typical_p, [&](const Entry& e) { return std::abs(-std::log(e.p) - entropy); });
  }
  if (s.top_p < 1.0) keep_head(entries, s.top_p, unlikely);
  if (s.min_p > 0.0) {
    double best = 0;
    for (const Entry& e : entries) best = std::max(best, e.p);
    std::erase_if(entries, [&](const Entry& e) { return e.p < s.min_p * best; });
    normalise(entries);
  }
  return entries;
}

int32_t reference_draw(const std::vector<Entry>& entries, uint64_t seed, int64_t position) {
  double sum = 0;
  for (const Entry& e : entries) {
    sum += e.p;
    if (uniform(seed, static_cast<uint64_t>(position)) < sum) return e.id;
  }
  return entries.back().id;
}

Sampling random_sampling(std::mt19937& random) {
  const auto unit = [&] { return static_cast<double>(random() % 1000 + 1) / 1000.0; };
  const auto maybe = [&](double value, double otherwise) { return random() % 2 ? value : otherwise; };
  Sampling s;
  s.temperature = maybe(2 * unit(), 1.0);
  s.top_k = random() % 2 ? static_cast<int32_t>(random() % 60) : 0;
  s.top_p = maybe(unit(), 1.0);
  s.min_p = maybe(unit() * 0.5, 0.0);
  s.typical_p = maybe(unit(), 1.0);
  s.repetition_penalty = maybe(0.5 + unit(), 1.0);
  s.presence_penalty = maybe(unit() * 2, 0.0);
  s.frequency_penalty = maybe(-unit(), 0.0);
  for (size_t n = random() % 4; n > 0; --n)
    s.logit_bias.push_back({static_cast<int32_t>(random() % 200), static_cast<float>(unit() * 8 - 4)});
  s.seed = random();
  return s;
}

TEST(Sampler, EqualsItsDescription) {
  std::mt19937 random(3);
  std::map<int32_t, int> drawn;
  for (int repeat = 0; repeat < 3000; ++repeat) {
    const std::vector<float> logits = random_logits(random(), 200, 3.0);
    const Sampling sampling = random_sampling(random);
    std::vector<int32_t> prompt, answer;
    TokenHistory history;
    for (size_t n = random() % 30; n > 0; --n) prompt.push_back(static_cast<int32_t>(random() % 200));
    history.add_prompt(prompt);
    for (size_t n = random() % 30; n > 0; --n) {
      answer.push_back(static_cast<int32_t>(random() % 200));
      history.add_sampled(answer.back());
    }
    const int64_t position = static_cast<int64_t>(random() % 1000);
    const int32_t token = sample(sampling, logits, position, history);
    ASSERT_EQ(token, reference_draw(reference(sampling, logits, prompt, answer), *sampling.seed, position))
        << "case " << repeat;
    ++drawn[token];
  }
  EXPECT_GT(drawn.size(), 150u);
}

/// A mass that nothing is cut off by changes no draw, whatever order the cut looked at the tokens in.
TEST(Sampler, ACutThatKeepsAllDrawsTheSame) {
  const std::vector<float> logits = random_logits(31, 100, 1.0);
  const double all = std::nextafter(1.0, 0.0);
  for (int64_t position = 0; position < 200; ++position) {
    const int32_t plain = sample({.seed = 5}, logits, position);
    EXPECT_EQ(sample({.top_p = all, .seed = 5}, logits, position), plain);
    EXPECT_EQ(sample({.typical_p = all, .seed = 5}, logits, position), plain);
  }
}

/// The drawn frequencies are the probabilities: no token is off by more than five standard deviations.
TEST(Sampler, FrequenciesAreProbabilities) {
  constexpr int kDraws = 50000;
  for (const Sampling& base :
       {Sampling{}, Sampling{.temperature = 2.5}, Sampling{.temperature = 0.4}, Sampling{.top_k = 5},
        Sampling{.top_p = 0.8}, Sampling{.min_p = 0.2}, Sampling{.typical_p = 0.6}}) {
    Sampling sampling = base;
    sampling.seed = 4242;
    const std::vector<float> logits = random_logits(17, 30);
    const std::vector<Entry> entries = reference(sampling, logits, {}, {});
    std::map<int32_t, int> drawn;
    for (int i = 0; i < kDraws; ++i) ++drawn[sample(sampling, logits, i)];
    int seen = 0;
    for (const Entry& e : entries) {
      const double deviation = std::sqrt(kDraws * e.p * (1 - e.p));
      EXPECT_NEAR(drawn[e.id], kDraws * e.p, 5 * deviation + 1);
      seen += drawn[e.id];
    }
    EXPECT_EQ(seen, kDraws);  // nothing else was drawn
  }
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  EXPECT_EQ(sample({.temperature = 0}, {1, 3, 3, 2}), 1);
  EXPECT_EQ(sample({.temperature = 0}, {-0.0f, 0.0f}), 0);
  EXPECT_EQ(sample({.temperature = 0}, {std::nanf(""), -5, std::nanf("")}), 1);
  EXPECT_EQ(sample({.temperature = 0}, {1, kInfinity, kInfinity}), 1);
  EXPECT_EQ(sample({.temperature = 0}, {-kInfinity, -1e30f}), 1);
  EXPECT_EQ(sample({.temperature = 0, .top_k = 3, .top_p = 0.1, .seed = 5}, {1, 2, 9, 3}), 2);
}

TEST(Sampler, WhatRemovesAllButTheBestIsGreedy) {
  const std::vector<float> logits = random_logits(23, 500);
  const int32_t best = sample({.temperature = 0}, logits);
  for (int64_t position = 0; position < 50; ++position) {
    EXPECT_EQ(sample({.top_k = 1}, logits, position), best);
    EXPECT_EQ(sample({.top_p = 1e-9}, logits, position), best);
    EXPECT_EQ(sample({.min_p = 1.0}, logits, position), best);
    EXPECT_EQ(sample({.temperature = 1e-6}, logits, position), best);
    EXPECT_EQ(sample({.temperature = std::numeric_limits<double>::min()}, logits, position), best);
  }
}

TEST(Sampler, TiesAtACutGoToTheLowerId) {
  const std::vector<float> equal(40, 1.0f);
  std::map<int32_t, int> drawn;
  for (int64_t position = 0; position < 2000; ++position) {
    ++drawn[sample({.top_k = 3}, equal, position)];
    const int32_t nucleus = sample({.top_p = 0.1}, equal, position);
    EXPECT_LT(nucleus, 5);
  }
  EXPECT_EQ(drawn.size(), 3u);
  EXPECT_EQ(drawn.rbegin()->first, 2);
}

TEST(Sampler, UnusableLogits) {
  const float nan = std::nanf("");
  for (const double temperature : {0.0, 1.0}) {
    const Sampling sampling{.temperature = temperature, .top_p = 0.9};
    EXPECT_EQ(sample(sampling, {nan, nan}), -1);
    EXPECT_EQ(sample(sampling, {-kInfinity, nan}), -1);
    EXPECT_EQ(sample(sampling, {nan, 1.0f, -kInfinity}), 1);
    EXPECT_EQ(sample(sampling, {0.0f, kInfinity, 5.0f}), 1);
    EXPECT_EQ(sample(sampling, {-3e38f, 3e38f}), 1);
  }
}

TEST(Sampler, TheMaskForbids) {
  const std::vector<float> logits = random_logits(29, 70);
  const int32_t best = sample({.temperature = 0}, logits);
  std::vector<uint32_t> mask(3, 0xffffffffu);
  mask[static_cast<size_t>(best / 32)] &= ~(1u << (best % 32));
  EXPECT_NE(sample({.temperature = 0}, logits, 0, {}, mask), best);
  const std::vector<uint32_t> only{0, 1u << 5, 0};
  for (int64_t position = 0; position < 20; ++position)
    EXPECT_EQ(sample({.temperature = 3}, logits, position, {}, only), 37);
  EXPECT_EQ(sample({.temperature = 0, .logit_bias = {{37, -100}}}, logits, 0, {}, only), 37);
  const std::vector<uint32_t> none(3, 0), too_short(1, 0);
  EXPECT_EQ(sample({.temperature = 0}, logits, 0, {}, none), -1);
  EXPECT_EQ(sample({}, logits, 0, {}, too_short), -1);
}

TEST(Sampler, LogProbabilitiesAreTheModelsOwn) {
  const std::vector<float> logits = random_logits(31, 300);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  const auto logprob = [&](int32_t id) {
    return static_cast<double>(logits[static_cast<size_t>(id)]) - std::log(sum);
  };
  std::vector<int32_t> order(300);
  for (int32_t i = 0; i < 300; ++i) order[static_cast<size_t>(i)] = i;
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logprob(a) > logprob(b); });
  const Sampling sampling{.temperature = 3, .top_k = 50, .logit_bias = {{7, 100}}, .top_logprobs = 20};
  Sampler sampler;
  const auto token = sampler.sample({.sampling = sampling, .history = {}, .logits = logits});
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(token->id, 7);
  EXPECT_NEAR(token->logprob, logprob(7), 1e-5);
  ASSERT_EQ(token->top.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(token->top[i].id, order[i]);
    EXPECT_NEAR(token->top[i].logprob, logprob(order[i]), 1e-5);
  }
  const Sampling chosen_only{.temperature = 0, .top_logprobs = 0};
  const auto best = sampler.sample({.sampling = chosen_only, .history = {}, .logits = logits});
  EXPECT_TRUE(best->top.empty());
  EXPECT_NEAR(best->logprob, logprob(order[0]), 1e-5);
}

TEST(Sampler, LogProbabilitiesOfFewerTokensThanWanted) {
  Sampler sampler;
  const Sampling sampling{.temperature = 0, .top_logprobs = 20};
  const std::vector<float> logits{0.0f, -kInfinity, 0.0f};
  const auto token = sampler.sample({.sampling = sampling, .history = {}, .logits = logits});
  ASSERT_EQ(token->top.size(), 2u);
  EXPECT_NEAR(token->top[1].logprob, -std::log(2.0), 1e-6);
}

TEST(Random, PhiloxKnownAnswers) {  // from the authors' Random123 library
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, UniformStaysInRangeAndDependsOnBoth) {
  double sum = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    const double u = uniform(77, i);
    EXPECT_GE(u, 0.0);
    EXPECT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
  EXPECT_NE(uniform(1, 5), uniform(2, 5));
  EXPECT_NE(uniform(1, 5), uniform(1, 6));
  EXPECT_NE(uniform(1, 5), uniform(1 + (uint64_t{1} << 32), 5));
}

}  // namespace
}  // namespace varve::engine
