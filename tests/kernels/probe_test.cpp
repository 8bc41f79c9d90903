#include "kernels/probe.h"

#include <gtest/gtest.h>

namespace varve::kernels {
namespace {

// Bounds that any machine of the last fifteen years and the next ones keeps, emulated or not: a probe whose
// loop was optimised away would answer in the millions.
TEST(Probe, FiguresAreOfThisWorld) {
  ThreadPool pool(2);
  const double bandwidth = read_bandwidth_gbs(pool, size_t{64} << 20);
  EXPECT_GT(bandwidth, 0.05);
  EXPECT_LT(bandwidth, 5000);
  for (const double gops : {int8_peak_gops(pool), bf16_peak_gflops(pool), f32_peak_gflops(pool)}) {
    EXPECT_GT(gops, 0.01);
    EXPECT_LT(gops, 20000);
  }
}

}  // namespace
}  // namespace varve::kernels
