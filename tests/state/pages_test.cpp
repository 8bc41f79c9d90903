#include "state/pages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "state/page_pool.h"

namespace varve::state {
namespace {

/// Writes `value` at positions [from, to), one byte per position.
void fill(PagePool& pool, const Pages& pages, int64_t from, int64_t to, int value) {
  for (int64_t p = from; p < to; ++p)
    pool.data(pages.ids()[static_cast<size_t>(p / kPageTokens)])[p % kPageTokens] =
        static_cast<std::byte>(value);
}

int at(PagePool& pool, const Pages& pages, int64_t position) {
  return static_cast<int>(
      pool.data(pages.ids()[static_cast<size_t>(position / kPageTokens)])[position % kPageTokens]);
}

TEST(PagePool, PromisesAreKept) {
  PagePool pool(100, 5);
  EXPECT_EQ(pool.available(), 5);
  EXPECT_TRUE(pool.promise(3));
  EXPECT_FALSE(pool.promise(3));
  EXPECT_EQ(pool.promised(), 3);
  EXPECT_TRUE(pool.promise(2));
  EXPECT_FALSE(pool.promise(1));
  std::set<std::byte*> places;
  std::vector<PageId> taken;
  for (int i = 0; i < 5; ++i) {
    taken.push_back(pool.take());
    places.insert(pool.data(taken.back()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pool.data(taken.back())) % kAlignment, 0u);
    std::memset(pool.data(taken.back()), i, 100);
  }
  EXPECT_EQ(places.size(), 5u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(static_cast<int>(*pool.data(taken[static_cast<size_t>(i)])), i);
  EXPECT_EQ(pool.held(), 5);
  EXPECT_EQ(pool.promised(), 0);
  for (const PageId page : taken) pool.drop(page);
  EXPECT_EQ(pool.available(), 5);
}

TEST(PagePool, ASharedPageStaysUntilItsLastHolderGoes) {
  PagePool pool(8, 1);
  ASSERT_TRUE(pool.promise(1));
  const PageId page = pool.take();
  pool.share(page);
  pool.drop(page);
  EXPECT_EQ(pool.available(), 0);
  pool.drop(page);
  EXPECT_EQ(pool.available(), 1);
}

TEST(PagePool, WithoutPagedStatePagesAreOnlyCounted) {
  PagePool pool(0, 3);
  EXPECT_TRUE(pool.promise(3));
  EXPECT_FALSE(pool.promise(1));
}

TEST(PagePoolDeathTest, MisuseIsABug) {
  PagePool pool(8, 2);
  EXPECT_DEATH(pool.take(), "without a promise");
  EXPECT_DEATH(pool.drop(0), "free page");
  EXPECT_DEATH(pool.release(1), "released");
}

TEST(Pages, GrowOnlyWithinWhatTheyReserved) {
  PagePool pool(16, 4);
  Pages pages(pool);
  EXPECT_EQ(pages.missing(17), 2);
  ASSERT_TRUE(pages.reserve(17));
  EXPECT_EQ(pool.available(), 2);
  pages.extend(1);
  EXPECT_EQ(pages.ids().size(), 1u);
  pages.extend(16);
  EXPECT_EQ(pages.length(), 17);
  EXPECT_EQ(pages.ids().size(), 2u);
  EXPECT_EQ(pages.addresses()[1], pool.data(pages.ids()[1]));
  EXPECT_EQ(pages.missing(32), 0);
  pages.extend(15);  // the second page has room
  EXPECT_DEATH(pages.extend(1), "beyond what it reserved");
  EXPECT_FALSE(pages.reserve(65));
  EXPECT_EQ(pool.available(), 2);
  EXPECT_TRUE(pages.reserve(64));
  EXPECT_EQ(pool.available(), 0);
  pages.release();
  EXPECT_EQ(pool.available(), 2);
  pages.clear();
  EXPECT_EQ(pool.available(), 4);
}

TEST(Pages, MovingTakesEverythingAlong) {
  PagePool pool(16, 4);
  {
    Pages a(pool);
    ASSERT_TRUE(a.reserve(40));
    a.extend(20);
    Pages b(std::move(a));
    EXPECT_EQ(b.length(), 20);
    Pages c(pool);
    ASSERT_TRUE(c.reserve(1));
    c.extend(1);
    c = std::move(b);  // what c held goes back
    EXPECT_EQ(c.length(), 20);
    EXPECT_EQ(pool.held(), 2);
    EXPECT_EQ(pool.promised(), 1);
    c.extend(20);
  }
  EXPECT_EQ(pool.available(), 4);
}

/// At every length and every fork point: neither side sees what the other writes, and what both had in
/// common is held once.
TEST(Pages, ForkCopiesOnlyTheOpenPage) {
  for (int64_t length = 0; length <= 50; ++length) {
    for (int64_t point = 0; point <= length; ++point) {
      PagePool pool(16, 16);
      Pages parent(pool);
      ASSERT_TRUE(parent.reserve(80));
      parent.extend(length);
      fill(pool, parent, 0, length, 1);
      auto child = parent.fork(point, 70);
      ASSERT_TRUE(child.has_value());
      EXPECT_EQ(child->length(), point);
      EXPECT_EQ(pool.held(), pages_for(length) + (point % kPageTokens != 0 ? 1 : 0));

      parent.extend(80 - length);
      fill(pool, parent, length, 80, 2);
      child->extend(70 - point);
      fill(pool, *child, point, 70, 3);
      for (int64_t p = 0; p < 80; ++p) ASSERT_EQ(at(pool, parent, p), p < length ? 1 : 2);
      for (int64_t p = 0; p < 70; ++p) ASSERT_EQ(at(pool, *child, p), p < point ? 1 : 3);
      for (int64_t page = 0; page < point / kPageTokens; ++page)
        EXPECT_EQ(parent.ids()[static_cast<size_t>(page)], child->ids()[static_cast<size_t>(page)]);
      parent.clear();
      child->clear();
      EXPECT_EQ(pool.available(), 16);
    }
  }
}

TEST(Pages, AForkThatDoesNotFitChangesNothing) {
  PagePool pool(16, 4);
  Pages parent(pool);
  ASSERT_TRUE(parent.reserve(40));
  parent.extend(40);
  EXPECT_FALSE(parent.fork(40, 48 + 1).has_value());
  EXPECT_EQ(pool.available(), 1);
  EXPECT_EQ(pool.references(parent.ids()[0]), 1);
  EXPECT_TRUE(parent.fork(40, 48).has_value());
}

/// Truncation may leave a shared page open: it is copied before it is written.
TEST(Pages, TruncatedIntoASharedPageWritesIntoACopy) {
  PagePool pool(16, 8);
  Pages first(pool);
  ASSERT_TRUE(first.reserve(48));
  first.extend(48);
  fill(pool, first, 0, 48, 1);
  auto second = first.fork(48, 48);
  ASSERT_TRUE(second.has_value());
  second->truncate(20);
  EXPECT_EQ(second->ids().size(), 2u);
  EXPECT_EQ(second->missing(20), 0);
  EXPECT_EQ(second->missing(21), 1);
  ASSERT_TRUE(second->reserve(32));
  second->extend(12);
  fill(pool, *second, 20, 32, 2);
  for (int64_t p = 0; p < 48; ++p) ASSERT_EQ(at(pool, first, p), 1);
  for (int64_t p = 0; p < 32; ++p) ASSERT_EQ(at(pool, *second, p), p < 20 ? 1 : 2);
}

TEST(Pages, TruncatedAloneWritesInPlace) {
  PagePool pool(16, 2);
  Pages pages(pool);
  ASSERT_TRUE(pages.reserve(32));
  pages.extend(32);
  pages.truncate(5);
  EXPECT_EQ(pool.held(), 1);
  EXPECT_EQ(pages.missing(16), 0);
  ASSERT_TRUE(pages.reserve(32));
  pages.extend(27);
  EXPECT_EQ(pool.held(), 2);
}

/// Random growth, forks, truncations and ends against a plain copy of what each sequence should read.
TEST(Pages, RandomHistoriesKeepTheirBytesAndGiveEverythingBack) {
  constexpr int64_t kPages = 40;
  PagePool pool(16, kPages);
  struct Twin {
    Pages pages;
    std::vector<int> bytes;
  };
  std::mt19937 random(7);
  std::vector<Twin> live;
  int grown = 0, forked = 0;
  const auto grow = [&](Twin& twin) {
    const auto more = static_cast<int64_t>(random() % 40);
    if (!twin.pages.reserve(twin.pages.length() + more)) return;
    ++grown;
    const int64_t from = twin.pages.length();
    twin.pages.extend(more);
    const int value = static_cast<int>(random() % 250);
    fill(pool, twin.pages, from, from + more, value);
    twin.bytes.resize(static_cast<size_t>(from + more), value);
  };
  for (int step = 0; step < 20000; ++step) {
    while (live.size() > 12) live.erase(live.begin());
    const size_t pick = live.empty() ? 0 : random() % live.size();
    switch (live.empty() ? 0 : random() % 5) {
      case 0:
        live.push_back({Pages(pool), {}});
        break;
      case 1:
        grow(live[pick]);
        break;
      case 2: {
        const auto cut = static_cast<int64_t>(random() % (live[pick].bytes.size() + 1));
        auto fork = live[pick].pages.fork(cut, cut);
        if (!fork) break;
        ++forked;
        std::vector<int> bytes(live[pick].bytes.begin(), live[pick].bytes.begin() + cut);
        live.push_back({std::move(*fork), std::move(bytes)});
        break;
      }
      case 3: {
        const auto cut = static_cast<int64_t>(random() % (live[pick].bytes.size() + 1));
        live[pick].pages.truncate(cut);
        live[pick].bytes.resize(static_cast<size_t>(cut));
        break;
      }
      default:
        std::swap(live[pick], live.back());
        live.pop_back();
    }
    ASSERT_GE(pool.available(), 0);
    if (step % 50 != 0) continue;
    for (const Twin& twin : live)
      for (size_t p = 0; p < twin.bytes.size(); ++p)
        ASSERT_EQ(at(pool, twin.pages, static_cast<int64_t>(p)), twin.bytes[p]);
  }
  EXPECT_GT(grown, 1000);
  EXPECT_GT(forked, 1000);
  live.clear();
  EXPECT_EQ(pool.available(), kPages);
  EXPECT_EQ(pool.promised(), 0);
}

}  // namespace
}  // namespace varve::state
