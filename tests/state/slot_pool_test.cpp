#include "state/slot_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <utility>

namespace varve::state {
namespace {

TEST(SlotPool, FreshSlotsAreZeroEvenWhenUsedBefore) {
  SlotPool pool(10, 2);
  {
    auto slot = pool.take();
    ASSERT_TRUE(slot.has_value());
    std::memset(slot->data(), 0x7f, 10);
  }
  EXPECT_EQ(pool.held(), 0);
  auto a = pool.take(), b = pool.take();
  ASSERT_TRUE(a && b);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(a->data()[i], std::byte{0});
    EXPECT_EQ(b->data()[i], std::byte{0});
  }
  EXPECT_NE(a->data(), b->data());
  EXPECT_FALSE(pool.any_free());
  EXPECT_FALSE(pool.take().has_value());
  EXPECT_FALSE(pool.copy(*a).has_value());
  a.reset();
  EXPECT_TRUE(pool.take().has_value());
}

TEST(SlotPool, ACopyIsItsOwn) {
  SlotPool pool(16, 2);
  auto a = pool.take();
  std::memset(a->data(), 1, 16);
  auto b = pool.copy(*a);
  ASSERT_TRUE(b.has_value());
  std::memset(a->data(), 2, 16);
  EXPECT_EQ(b->data()[15], std::byte{1});
}

TEST(SlotPool, MovingKeepsOneHolder) {
  SlotPool pool(16, 2);
  Slot slot = *pool.take();
  Slot other = std::move(slot);
  EXPECT_EQ(slot.data(), nullptr);  // NOLINT: a moved-from slot is empty
  EXPECT_NE(other.data(), nullptr);
  EXPECT_EQ(pool.held(), 1);
  other = {};
  EXPECT_EQ(pool.held(), 0);
}

TEST(SlotPool, WithoutRecurrentStateSlotsAreEmptyAndNeverRunOut) {
  SlotPool pool(0, 4);
  for (int i = 0; i < 100; ++i) {
    auto slot = pool.take();
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(slot->data(), nullptr);
  }
  EXPECT_TRUE(pool.any_free());
}

}  // namespace
}  // namespace varve::state
