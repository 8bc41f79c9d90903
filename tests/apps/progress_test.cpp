#include "progress.h"

#include <gmock/gmock.h>

#include "terminal.h"

namespace varve::app {
namespace {

using testing::HasSubstr;

TEST(Bar, ShowsBytesRateAndTimeLeft) {
  const std::string line =
      render_bar({.label = "downloading", .done = 50'000'000, .total = 100'000'000, .per_second = 10e6}, 100);
  EXPECT_THAT(line, HasSubstr(" 50%  50.0 MB / 100.0 MB  10.0 MB/s  0:05 left"));
  EXPECT_THAT(line, HasSubstr("####"));
  EXPECT_LT(line.size(), 100u);
}

TEST(Bar, CountsInTheUnitThatItIsGiven) {
  const BarState state{
      .label = "predicting", .done = 512, .total = 2048, .per_second = 256, .unit = "tokens"};
  EXPECT_THAT(render_bar(state, 100), HasSubstr(" 25%  512 / 2048 tokens  256 tokens/s  0:06 left"));
  ProgressBar bar(false, "tokens");
  bar.update("predicting", 1, 2);
  EXPECT_EQ(bar.state().unit, "tokens");
}

TEST(Bar, FitsAnyWidthAndAnUnknownTotal) {
  for (int width = 1; width < 120; ++width)
    EXPECT_LE(render_bar({.label = "downloading", .done = 5, .total = 9, .per_second = 1}, width).size(),
              static_cast<size_t>(width));
  EXPECT_EQ(render_bar({.label = "x", .done = 1500, .total = 0, .per_second = 0}, 80), "x  1.5 kB");
}

TEST(Bar, NeverGoesBack) {
  ProgressBar bar(false);
  ProgressBar::Clock::time_point now{};
  uint64_t highest = 0;
  for (const uint64_t done : {10, 50, 30, 0, 60, 100, 20}) {
    bar.update("pull", done, 100, now += std::chrono::seconds(1));
    EXPECT_GE(bar.state().done, highest);
    highest = bar.state().done;
  }
  EXPECT_EQ(highest, 100u);
}

TEST(Bar, RateIsThatOfTheLastSeconds) {
  ProgressBar bar(false);
  ProgressBar::Clock::time_point now{};
  for (int second = 0; second <= 20; ++second)
    bar.update("pull", second < 10 ? 0 : static_cast<uint64_t>(second - 10) * 1'000'000, 100'000'000,
               now += std::chrono::seconds(1));
  EXPECT_NEAR(bar.state().per_second, 1e6, 1);
}

TEST(Terminal, Texts) {
  EXPECT_EQ(size_text(999), "999 B");
  EXPECT_EQ(size_text(98'362'432), "98.4 MB");
  EXPECT_EQ(size_text(1'500'000'000), "1.50 GB");
  EXPECT_EQ(duration_text(4.4), "0:04");
  EXPECT_EQ(duration_text(3729), "1:02:09");
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
}

}  // namespace
}  // namespace varve::app
