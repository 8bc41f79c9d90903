// The tree against a list of everything that was ever left in it.
#include "state/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <random>

#include "state/pages.h"

namespace varve::state {
namespace {

using Ids = std::vector<int32_t>;

Ids counted(int64_t count, int32_t first = 0) {
  Ids ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

Ids joined(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

constexpr int64_t kPageBytes = kPageTokens * static_cast<int64_t>(sizeof(int32_t));

/// Pools whose pages hold the ids themselves and whose slots hold their sum and count.
struct World {
  explicit World(int64_t page_count, int64_t slot_count = 0)
      : pool(kPageBytes, page_count),
        slots(slot_count > 0 ? 2 * static_cast<int64_t>(sizeof(int64_t)) : 0, slot_count),
        tree(pool, slots) {}

  /// Writes what follows `pages` of `ids`.
  void write(Pages& pages, const Ids& ids) {
    const int64_t from = pages.length();
    pages.extend(std::ssize(ids) - from);
    for (int64_t p = from; p < std::ssize(ids); ++p)
      std::memcpy(pool.data(pages.ids()[static_cast<size_t>(p / kPageTokens)]) +
                      p % kPageTokens * static_cast<int64_t>(sizeof(int32_t)),
                  &ids[static_cast<size_t>(p)], sizeof(int32_t));
  }
  bool holds(const std::vector<PageId>& pages, const Ids& ids, int64_t tokens) {
    for (int64_t p = 0; p < tokens; ++p) {
      int32_t id = 0;
      std::memcpy(&id,
                  pool.data(pages[static_cast<size_t>(p / kPageTokens)]) +
                      p % kPageTokens * static_cast<int64_t>(sizeof(int32_t)),
                  sizeof id);
      if (id != ids[static_cast<size_t>(p)]) return false;
    }
    return true;
  }
  static std::array<int64_t, 2> state_of(const Ids& ids, int64_t tokens) {
    return {tokens, std::accumulate(ids.begin(), ids.begin() + tokens, int64_t{0})};
  }
  Slot slot_of(const Ids& ids, int64_t tokens) {
    if (slots.slot_bytes() == 0) return {};
    Slot slot = *slots.take();
    const auto state = state_of(ids, tokens);
    std::memcpy(slot.data(), state.data(), sizeof state);
    return slot;
  }
  bool is_state_of(const Slot& slot, const Ids& ids, int64_t tokens) {
    return std::memcmp(slot.data(), state_of(ids, tokens).data(), 2 * sizeof(int64_t)) == 0;
  }
  /// A whole sequence, computed and left.
  void leave(const std::string& root, const Ids& ids) {
    Pages pages(pool);
    ASSERT_TRUE(pages.reserve(std::ssize(ids)));
    write(pages, ids);
    tree.insert(root, ids, pages.ids(), slot_of(ids, std::ssize(ids)));
  }
  int64_t known(const std::string& root, const Ids& ids) {
    return tree.find(root, ids, std::ssize(ids)).tokens;
  }

  PagePool pool;
  SlotPool slots;
  PrefixTree tree;
};

TEST(PrefixTree, FindsEveryBeginningOfWhatWasLeftAndNothingElse) {
  World world(100);
  const Ids ids = counted(200);
  world.leave("a", ids);
  EXPECT_EQ(world.tree.blocks(), 4);
  EXPECT_EQ(world.tree.pages(), 13);
  for (int64_t length = 0; length <= 200; ++length) {
    Ids changed = ids;
    if (length < 200) changed[static_cast<size_t>(length)] = -1;
    EXPECT_EQ(world.known("a", changed), length);
    const auto match = world.tree.find("a", ids, length);
    EXPECT_EQ(match.tokens, length);
    EXPECT_EQ(std::ssize(match.pages()), pages_for(length));
    EXPECT_TRUE(world.holds(match.pages(), ids, length));
  }
  EXPECT_EQ(world.known("a", joined(ids, {7, 8, 9})), 200);
  EXPECT_EQ(world.known("b", ids), 0);
  EXPECT_EQ(world.known("a", {}), 0);
  EXPECT_EQ(world.tree.find("a", ids, -5).tokens, 0);
  world.tree.clear();
  EXPECT_EQ(world.pool.held(), 0);
  EXPECT_EQ(world.known("a", ids), 0);
}

TEST(PrefixTree, WhatIsSharedIsHeldOnce) {
  World world(100);
  const Ids stem = counted(128);
  world.leave("", joined(stem, counted(10, 1000)));
  const int64_t before = world.pool.held();
  world.leave("", joined(stem, counted(10, 2000)));  // computed anew: its own copy of the stem is not kept
  EXPECT_EQ(world.pool.held(), before + 1);
  EXPECT_EQ(world.tree.blocks(), 4);
  world.leave("other", stem);  // nobody else's
  EXPECT_EQ(world.tree.blocks(), 6);
}

/// A turn's tail becomes the beginning of the next turn's.
TEST(PrefixTree, ATailGrows) {
  World world(100);
  const Ids ids = counted(300);
  Pages pages(world.pool);
  ASSERT_TRUE(pages.reserve(320));
  for (int64_t length : {5, 20, 60, 64, 65, 127, 140, 300}) {
    const Ids now(ids.begin(), ids.begin() + length);
    Pages next(world.pool);
    const auto match = world.tree.find("", now, length);
    next.begin_with(match.pages(), match.tokens);
    ASSERT_TRUE(next.reserve(length));
    world.write(next, now);
    world.tree.insert("", now, next.ids());
    EXPECT_EQ(world.known("", ids), length);
    EXPECT_EQ(world.tree.blocks(), (length + kBlockTokens - 1) / kBlockTokens);
    EXPECT_EQ(world.tree.pages(), pages_for(length));
    EXPECT_TRUE(world.holds(world.tree.find("", now, length).pages(), now, length));
  }
  world.tree.insert("", std::span(ids).first(10), world.tree.find("", ids, 10).pages());  // known already
  EXPECT_EQ(world.tree.blocks(), 5);
}

TEST(PrefixTree, WhatWasNotUsedForLongestGoesFirstAndNeverBeforeWhatFollowsIt) {
  World world(100);
  world.leave("", counted(100, 0));
  world.leave("", counted(100, 1000));
  world.leave("", counted(100, 2000));
  world.tree.touch(world.tree.find("", counted(100, 0), 100));
  ASSERT_TRUE(world.tree.evict_block());
  EXPECT_EQ(world.known("", counted(100, 1000)), 64);
  ASSERT_TRUE(world.tree.evict_block());
  EXPECT_EQ(world.known("", counted(100, 1000)), 0);
  ASSERT_TRUE(world.tree.evict_block());
  ASSERT_TRUE(world.tree.evict_block());
  EXPECT_EQ(world.known("", counted(100, 2000)), 0);
  EXPECT_EQ(world.known("", counted(100, 0)), 100);
  EXPECT_EQ(world.tree.evictions(), 4);
  ASSERT_TRUE(world.tree.evict_block());
  ASSERT_TRUE(world.tree.evict_block());
  EXPECT_FALSE(world.tree.evict_block());
  EXPECT_EQ(world.pool.held(), 0);
}

TEST(PrefixTree, WhoSharesAPageKeepsItWhenTheBlockGoes) {
  World world(100);
  const Ids ids = counted(100);
  world.leave("", ids);
  EXPECT_EQ(world.tree.reclaimable(), 7);
  Pages pages(world.pool);
  const auto match = world.tree.find("", ids, 70);
  pages.begin_with(match.pages(), match.tokens);
  EXPECT_EQ(world.tree.reclaimable(), 2);
  world.tree.clear();
  EXPECT_EQ(world.pool.held(), 5);
  EXPECT_TRUE(world.holds(pages.ids(), ids, 70));
  ASSERT_TRUE(pages.reserve(90));
  world.write(pages, joined(Ids(ids.begin(), ids.begin() + 70), counted(20, 500)));
  pages.clear();
  EXPECT_EQ(world.pool.held(), 0);
}

TEST(PrefixTree, RecurrentStateIsUsableWhereASnapshotWasLeft) {
  World world(100, 8);
  const Ids ids = counted(200);
  Pages pages(world.pool);
  ASSERT_TRUE(pages.reserve(200));
  world.write(pages, ids);
  for (const int64_t at : {32, 80, 128, 176, 200})
    world.tree.insert("", std::span(ids).first(static_cast<size_t>(at)),
                      std::span(pages.ids()).first(static_cast<size_t>(pages_for(at))),
                      world.slot_of(ids, at));
  pages.clear();
  EXPECT_EQ(world.tree.snapshots(), 5);
  const auto usable = [&](int64_t most) {
    const auto match = world.tree.find("", ids, most);
    EXPECT_EQ(match.snapshot != nullptr, match.tokens > 0);
    if (match.snapshot) {
      EXPECT_TRUE(world.is_state_of(*match.snapshot, ids, match.tokens));
    }
    EXPECT_EQ(std::ssize(match.pages()), pages_for(match.tokens));
    return match.tokens;
  };
  EXPECT_EQ(usable(31), 0);
  EXPECT_EQ(usable(32), 32);
  EXPECT_EQ(usable(79), 32);
  EXPECT_EQ(usable(127), 80);
  EXPECT_EQ(usable(199), 176);
  EXPECT_EQ(usable(1000), 200);
  world.tree.touch(world.tree.find("", ids, 40));  // the snapshot at 32
  ASSERT_TRUE(world.tree.evict_snapshot());
  EXPECT_EQ(usable(127), 32);
  ASSERT_TRUE(world.tree.evict_snapshot());  // at 128: blocks beyond it lead to others
  EXPECT_EQ(usable(170), 32);
  EXPECT_EQ(world.tree.blocks(), 4);
  ASSERT_TRUE(world.tree.evict_snapshot());
  ASSERT_TRUE(world.tree.evict_snapshot());  // the last one's blocks go with it
  EXPECT_EQ(world.tree.blocks(), 1);
  EXPECT_EQ(usable(200), 32);
  ASSERT_TRUE(world.tree.evict_snapshot());
  EXPECT_EQ(world.tree.blocks(), 0);
  EXPECT_EQ(world.pool.held(), 0);
  EXPECT_EQ(world.slots.held(), 0);
  EXPECT_FALSE(world.tree.evict_snapshot());
}

/// Random sequences that share, go on, are given up and make way; every answer against a list of all that
/// was left (without evictions: exactly; with them: never more), every byte against the ids.
class Random : public testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(Random, AsAListOfEverythingSays) {
  const auto [tight, recurrent] = GetParam();
  World world(tight ? 90 : 20'000, recurrent ? (tight ? 9 : 3000) : 0);
  std::mt19937 random(5);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  struct Left {
    std::string root;
    Ids ids;
  };
  std::vector<Left> left;
  struct Running {
    std::string root;
    Ids ids;
    Pages pages;
  };
  std::vector<Running> running;
  int64_t shared = 0, refused = 0;
  const auto common = [](const Ids& a, const Ids& b) {
    return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  };
  const auto start = [&] {
    Running fresh{below(2) == 0 ? "a" : "b", {}, Pages(world.pool)};
    if (!left.empty() && below(3) > 0) {
      const Left& earlier = left[static_cast<size_t>(below(std::ssize(left)))];
      fresh.root = earlier.root;
      fresh.ids.assign(earlier.ids.begin(), earlier.ids.begin() + (below(2) ? below(std::ssize(earlier.ids))
                                                                            : std::ssize(earlier.ids)));
    }
    for (int64_t n = 1 + below(150); n > 0; --n) fresh.ids.push_back(static_cast<int32_t>(below(3)));
    fresh.ids.resize(std::min<size_t>(fresh.ids.size(), 300));
    const int64_t most = std::ssize(fresh.ids) - 1;
    const auto match = world.tree.find(fresh.root, fresh.ids, most);
    int64_t best = 0;
    for (const Left& earlier : left) {
      if (earlier.root != fresh.root) continue;
      const int64_t here = std::min<int64_t>(common(earlier.ids, fresh.ids), most);
      if (!recurrent || here == std::ssize(earlier.ids)) best = std::max(best, here);
    }
    if (tight) {
      ASSERT_LE(match.tokens, best);
    } else {
      ASSERT_EQ(match.tokens, best);
    }
    ASSERT_TRUE(world.holds(match.pages(), fresh.ids, match.tokens));
    if (match.snapshot) {
      ASSERT_TRUE(world.is_state_of(*match.snapshot, fresh.ids, match.tokens));
    }
    shared += match.tokens;
    world.tree.touch(match);
    fresh.pages.begin_with(match.pages(), match.tokens);
    while (!fresh.pages.reserve(std::ssize(fresh.ids)))
      if (!world.tree.evict_block()) {
        ++refused;
        return;
      }
    running.push_back(std::move(fresh));
  };
  const auto advance = [&](Running& one) {
    const int64_t to = std::min(std::ssize(one.ids), one.pages.length() + 1 + below(100));
    world.write(one.pages, Ids(one.ids.begin(), one.ids.begin() + to));
    ASSERT_TRUE(world.holds(one.pages.ids(), one.ids, to));
    const int64_t full = to / kBlockTokens * kBlockTokens;
    if (recurrent || full == 0) return;
    const Ids whole(one.ids.begin(), one.ids.begin() + full);
    world.tree.insert(one.root, whole,
                      std::span(one.pages.ids()).first(static_cast<size_t>(pages_for(full))));
    left.push_back({one.root, whole});
  };
  const auto end = [&](size_t i) {
    Running one = std::move(running[i]);
    running.erase(running.begin() + static_cast<ptrdiff_t>(i));
    if (one.pages.length() == 0 || below(4) == 0) return;  // leaves nothing
    one.ids.resize(static_cast<size_t>(one.pages.length()));
    while (!world.slots.any_free()) {
      ASSERT_TRUE(world.tree.evict_snapshot());
    }
    world.tree.insert(one.root, one.ids, one.pages.ids(), world.slot_of(one.ids, std::ssize(one.ids)));
    left.push_back({one.root, one.ids});
  };
  for (int round = 0; round < 1000; ++round) {
    if (running.size() < 3) start();
    if (HasFatalFailure()) return;
    if (!running.empty()) advance(running[static_cast<size_t>(below(std::ssize(running)))]);
    if (!running.empty() && below(3) == 0) end(static_cast<size_t>(below(std::ssize(running))));
    if (below(20) == 0 && tight) world.tree.evict_snapshot();
    ASSERT_LE(world.tree.pages(), world.pool.held());
  }
  EXPECT_GT(shared, 1000);
  EXPECT_EQ(world.tree.evictions() > 0, tight);
  EXPECT_LT(refused, 100);
  running.clear();
  EXPECT_EQ(world.pool.held(), world.tree.pages());
  EXPECT_EQ(world.tree.reclaimable(), world.tree.pages());
  EXPECT_EQ(world.pool.promised(), 0);
  world.tree.clear();
  EXPECT_EQ(world.pool.held(), 0);
  EXPECT_EQ(world.slots.held(), 0);
}

INSTANTIATE_TEST_SUITE_P(TightOrWideWithOrWithoutSlots, Random,
                         testing::Combine(testing::Bool(), testing::Bool()));

}  // namespace
}  // namespace varve::state
