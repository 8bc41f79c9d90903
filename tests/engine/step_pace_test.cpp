#include "engine/step_pace.h"

#include <gtest/gtest.h>

namespace varve::engine {
namespace {

/// Seconds of a step on a machine that reads the weights in `base` and computes `rate` rows a second.
double step_seconds(int64_t rows, double base, double rate) {
  return base + static_cast<double>(rows) / rate;
}

TEST(StepPace, SettlesWhereAStepLastsAsLongAsWanted) {
  StepPace pace(512, 0.25);
  for (int i = 0; i < 200; ++i) pace.ran(pace.rows(), step_seconds(pace.rows(), 0.05, 1000));
  EXPECT_NEAR(step_seconds(pace.rows(), 0.05, 1000), 0.25, 0.01);
}

TEST(StepPace, AFastModelTakesAllAtOnceASlowOneFew) {
  StepPace fast(512, 0.25), slow(512, 0.25);
  EXPECT_EQ(fast.rows(), 128);
  fast.ran(128, 0.001);
  fast.ran(256, 0.002);
  EXPECT_EQ(fast.rows(), 512);
  slow.ran(128, 10.0);
  EXPECT_EQ(slow.rows(), 32);
  slow.ran(32, 0.01);  // back again
  EXPECT_EQ(slow.rows(), 64);
}

TEST(StepPace, StepsOfFewRowsAreNotCounted) {
  StepPace pace(512, 0.25);
  for (int i = 0; i < 100; ++i) pace.ran(1, 0.2);
  EXPECT_EQ(pace.rows(), 128);
  pace.ran(100, 0.0);  // a clock that stood still
  EXPECT_EQ(pace.rows(), 256);
}

TEST(StepPace, WithoutAWishAlwaysTheMost) {
  StepPace pace(4096, 0);
  pace.ran(4096, 100.0);
  EXPECT_EQ(pace.rows(), 4096);
  StepPace tiny(7, 0.25);
  tiny.ran(7, 100.0);
  EXPECT_EQ(tiny.rows(), 7);
}

}  // namespace
}  // namespace varve::engine
