#include "nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/error.h"

namespace varve::nn {
namespace {

TEST(Rope, DefaultIsAGeometricSeries) {
  const auto f = rope_frequencies({.theta = 10000.0f}, 8, 100);
  ASSERT_EQ(f.inverse.size(), 4u);
  EXPECT_FLOAT_EQ(f.inverse[0], 1.0f);
  EXPECT_FLOAT_EQ(f.inverse[1], 0.1f);
  EXPECT_FLOAT_EQ(f.inverse[3], 0.001f);
  EXPECT_EQ(f.attention_factor, 1.0f);
}

TEST(Rope, SettingsThatNoRotationCanBeMadeOfAreRefusedAtLoad) {
  const auto add = [](const RopeParams& params, int64_t dims) { RopeTables().add(params, dims); };
  EXPECT_THROW(add({.theta = 0.0f}, 8), LoadError);
  EXPECT_THROW(add({.theta = -1.0f}, 8), LoadError);
  EXPECT_THROW(add({.theta = 1e4f}, int64_t{1} << 31), LoadError);  // and not after minutes
  EXPECT_THROW(add({.kind = "linear", .theta = 1e4f, .factor = 0.0f}, 8), LoadError);
  EXPECT_THROW(add({.kind = "linear", .theta = 1e4f, .factor = -2.0f}, 8), LoadError);
  EXPECT_THROW(
      add({.kind = "yarn", .theta = 1e4f, .factor = 2.0f, .original_positions = 64, .beta_fast = 0.0f}, 8),
      LoadError);
  // Both lists of longrope, not only that of the longest sequence.
  EXPECT_THROW(add({.kind = "longrope",
                    .theta = 1e4f,
                    .factor = 2.0f,
                    .original_positions = 64,
                    .max_positions = 128,
                    .short_factor = {1.0f},
                    .long_factor = {1.0f, 1.0f, 1.0f, 1.0f}},
                   8),
               LoadError);
  EXPECT_NO_THROW(add({.kind = "linear", .theta = 1e4f, .factor = 2.0f}, 8));
}

TEST(Rope, LinearDividesEveryFrequency) {
  const auto f = rope_frequencies({.kind = "linear", .theta = 10000.0f, .factor = 4.0f}, 8, 100);
  EXPECT_FLOAT_EQ(f.inverse[1], 0.025f);
}

TEST(Rope, Llama3KeepsHighAndDividesLowFrequencies) {
  const RopeParams p{.kind = "llama3", .theta = 500000.0f, .factor = 8.0f, .original_positions = 8192};
  const auto f = rope_frequencies(p, 128, 100);
  EXPECT_FLOAT_EQ(f.inverse.front(), 1.0f);
  const double last = 1.0 / std::pow(500000.0, 126.0 / 128.0);
  EXPECT_NEAR(f.inverse.back() / (last / 8.0), 1.0, 1e-6);
}

TEST(Rope, YarnScalesCosAndSin) {
  const RopeParams p{.kind = "yarn", .theta = 10000.0f, .factor = 4.0f, .original_positions = 2048};
  const auto f = rope_frequencies(p, 64, 100);
  EXPECT_NEAR(f.attention_factor, 0.1 * std::log(4.0) + 1.0, 1e-6);
  EXPECT_FLOAT_EQ(f.inverse.front(), 1.0f);
  const double last = 1.0 / std::pow(10000.0, 62.0 / 64.0);
  EXPECT_NEAR(f.inverse.back() / (last / 4.0), 1.0, 1e-6);
}

TEST(Rope, LongropeChoosesByTheSequencesLimit) {
  const RopeParams p{.kind = "longrope",
                     .theta = 10000.0f,
                     .factor = 4.0f,
                     .original_positions = 16,
                     .max_positions = 64,
                     .short_factor = {1, 1},
                     .long_factor = {2, 4}};
  EXPECT_FLOAT_EQ(rope_frequencies(p, 4, 16).inverse[1], 0.01f);
  EXPECT_FLOAT_EQ(rope_frequencies(p, 4, 17).inverse[1], 0.0025f);
  EXPECT_NEAR(rope_frequencies(p, 4, 16).attention_factor, std::sqrt(1.0 + std::log(4.0) / std::log(16.0)),
              1e-6);
  EXPECT_NE(rope_class(p, 16), rope_class(p, 17));
  EXPECT_THROW(rope_frequencies(p, 8, 16), LoadError);
  RopeParams unstretched = p;
  unstretched.factor = 1.0f;  // said so: the ratio of the contexts does not matter
  EXPECT_EQ(rope_frequencies(unstretched, 4, 16).attention_factor, 1.0f);
}

TEST(Rope, DynamicStretchesWithTheLimitOnly) {
  const RopeParams p{.kind = "dynamic", .theta = 10000.0f, .factor = 2.0f, .max_positions = 32};
  EXPECT_EQ(rope_frequencies(p, 8, 10).inverse, rope_frequencies({.theta = 10000.0f}, 8, 10).inverse);
  EXPECT_LT(rope_frequencies(p, 8, 64).inverse.back(), 0.001f);
  EXPECT_EQ(rope_class(p, 10), rope_class(p, 32));
  EXPECT_NE(rope_class(p, 33), rope_class(p, 34));
}

TEST(Rope, LimitsOfDifferentFrequenciesHaveDifferentClasses) {
  RopeTables tables;
  for (const int64_t most : {100, 1'000'200, 3, 4, 5})
    tables.add({.kind = "dynamic", .factor = 2.0f, .max_positions = most}, 8);
  std::set<int64_t> classes;
  for (int64_t limit = 101; limit < 1'101; ++limit) classes.insert(tables.position_class(limit));
  EXPECT_EQ(classes.size(), 1000u);
  EXPECT_EQ(tables.position_class(1), tables.position_class(2));
}

TEST(Rope, ClassesOfSeveralRopesDoNotMeet) {
  const auto mixed = [](int64_t first, int64_t second) {
    RopeTables tables;
    tables.add({.kind = "dynamic", .factor = 2.0f, .max_positions = first}, 8);
    tables.add({.kind = "dynamic", .factor = 2.0f, .max_positions = second}, 8);
    return tables.position_class(1);
  };
  EXPECT_NE(mixed(1, 2'000'006), mixed(2, 1'000'003));
  EXPECT_NE(mixed(5, 6), mixed(6, 5));
}

TEST(Rope, AStretchedRopeMayRaiseScores) {
  const double one = 0.1 * 0.707 * std::log(40.0) + 1.0;
  EXPECT_FLOAT_EQ(rope_score_factor({.kind = "yarn", .factor = 40.0f, .mscale_all_dim = 0.707f}),
                  static_cast<float>(one * one));
  EXPECT_EQ(rope_score_factor({.kind = "yarn", .factor = 40.0f, .mscale = 1.0f}), 1.0f);
  EXPECT_EQ(rope_score_factor({.kind = "yarn", .factor = 1.0f, .mscale_all_dim = 1.0f}), 1.0f);
  EXPECT_EQ(rope_score_factor({.factor = 40.0f, .mscale_all_dim = 1.0f}), 1.0f);
}

TEST(RopeTables, SameRopeIsMadeOnce) {
  RopeTables tables;
  EXPECT_EQ(tables.add({.theta = 10000.0f}, 8), 0);
  EXPECT_EQ(tables.add({.theta = 1000.0f}, 8), 1);
  EXPECT_EQ(tables.add({.theta = 10000.0f}, 8), 0);
  EXPECT_EQ(tables.add({.kind = "none"}, 8), -1);
  Step step;
  step.tokens = {1, 2, 3};
  step.slices.push_back({.begin = 0, .count = 2, .position = 5, .limit = 7, .pages = {}});
  step.slices.push_back({.begin = 2, .count = 1, .position = 0, .limit = 1, .pages = {}});
  tables.prepare(step);
  EXPECT_FLOAT_EQ(tables.cos(0)[0], std::cos(5.0f));
  EXPECT_FLOAT_EQ(tables.sin(0)[4], std::sin(6.0f));
  EXPECT_FLOAT_EQ(tables.cos(0)[8], 1.0f);
}

}  // namespace
}  // namespace varve::nn
