#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include <limits>

namespace varve::engine {
namespace {

constexpr uint64_t kPlenty = uint64_t{1} << 60;
constexpr nn::StateLayout kPaged{.page_bytes = 1000};  // 1024 as laid out
constexpr nn::StateLayout kHybrid{.page_bytes = 1024, .slot_bytes = 100};
constexpr nn::StateLayout kRecurrent{.slot_bytes = 100};

TEST(MemoryPlan, OneWholeContextUnlessTold) {
  const auto plan = plan_memory(kPaged, 1000, {}, kPlenty);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan.value().context, 1000);
  EXPECT_EQ(plan.value().pages, 63);
  EXPECT_EQ(plan.value().slots, 0);
  EXPECT_EQ(plan.value().bytes, 63u * 1024);
  EXPECT_EQ(plan_memory(kPaged, 0, {}, kPlenty).value().context, 4096);
}

TEST(MemoryPlan, TheModelsContextShrinksToTheMemory) {
  const auto half = plan_memory(kPaged, 100'000, {}, 2 * 1024 * 50);
  ASSERT_TRUE(half.ok());
  EXPECT_EQ(half.value().context, 50 * 16);
  const auto cache = plan_memory(kPaged, 100'000, {.cache_bytes = 10 * 1024 + 1023}, 0);
  ASSERT_TRUE(cache.ok());
  EXPECT_EQ(cache.value().context, 160);
  EXPECT_EQ(plan_memory(kPaged, 100'000, {}, 2047).error().field, "context");
}

TEST(MemoryPlan, AContextThatWasAskedForIsGivenOrRefused) {
  EXPECT_EQ(plan_memory(kPaged, 1000, {.context = 160}, 10 * 1024).value().pages, 10);
  EXPECT_EQ(plan_memory(kPaged, 1000, {.context = 161}, 10 * 1024).error().field, "context");
  EXPECT_EQ(plan_memory(kPaged, 1000, {.context = 161, .cache_bytes = 10 * 1024}, kPlenty).error().field,
            "cache_memory");
  EXPECT_EQ(plan_memory(kPaged, 1000, {.context = 1001}, kPlenty).error().field, "context");
}

TEST(MemoryPlan, SlotsComeOutOfTheSameBytes) {
  const MemoryOptions options{.cache_bytes = 20 * 128 + 5 * 1024, .max_sequences = 10};
  const auto plan = plan_memory(kHybrid, 80, options, kPlenty);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan.value().slots, 20);
  EXPECT_EQ(plan.value().pages, 5);
  EXPECT_EQ(plan.value().bytes, options.cache_bytes);
  EXPECT_EQ(plan_memory(kRecurrent, 80, {.cache_bytes = 100}, kPlenty).error().field, "cache_memory");
  EXPECT_EQ(plan_memory(kRecurrent, 80, {.max_sequences = 3}, kPlenty).value().pages, 6 * 5);
}

/// What one context leaves over is shared by pages and snapshots of recurrent state.
TEST(MemoryPlan, MoreMemoryMakesMoreSnapshotsAndMorePages) {
  const auto one = plan_memory(kHybrid, 160, {.max_sequences = 1}, kPlenty);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one.value().slots, 4);
  EXPECT_EQ(one.value().pages, 10);  // 2 * 128 bytes are no whole page
  const auto pure = plan_memory(kRecurrent, 160, {.max_sequences = 1}, kPlenty);
  EXPECT_EQ(pure.value().slots, 6);
  const auto large =
      plan_memory(kHybrid, 160, {.cache_bytes = 1'000'000, .max_sequences = 2}, kPlenty).value();
  EXPECT_EQ(large.slots, 32);
  EXPECT_EQ(large.pages, (1'000'000 - 32 * 128) / 1024);
}

TEST(MemoryPlan, APartOfWhatIsAvailable) {
  const auto half = plan_memory(kPaged, 1000, {.share = 0.5}, 2 * 1024 * 500);
  ASSERT_TRUE(half.ok());
  EXPECT_EQ(half.value().pages, 500);
  EXPECT_EQ(half.value().context, 1000);
  EXPECT_EQ(plan_memory(kPaged, 1000, {.cache_bytes = 70 * 1024, .share = 0.5}, 1 << 20).value().pages, 70);
  EXPECT_EQ(plan_memory(kPaged, 1000, {.share = 1.5}, kPlenty).error().field, "cache_memory");
  EXPECT_FALSE(plan_memory(kPaged, 1000, {.share = std::numeric_limits<double>::quiet_NaN()}, kPlenty).ok());
}

TEST(MemoryPlan, HugeNumbersDoNotWrap) {
  const nn::StateLayout large{.page_bytes = int64_t{1} << 40};
  const int64_t context = int64_t{1} << 30;
  EXPECT_FALSE(plan_memory(large, 0, {.context = context}, kPlenty).ok());
  EXPECT_FALSE(plan_memory(large, 0, {.context = context, .cache_bytes = kPlenty}, kPlenty).ok());
  EXPECT_FALSE(plan_memory(kPaged, 0, {.context = std::numeric_limits<int64_t>::max()}, kPlenty).ok());
}

}  // namespace
}  // namespace varve::engine
