#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>

#include "core/buffer.h"
#include "core/checked.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/file.h"
#include "core/system_memory.h"
#include "core/thread_pool.h"
#include "support/data.h"

namespace {
bool g_disk_fails = false;
}

// Stands before the C library's: a disk that tells only when it is asked to.
extern "C" int fsync(int file) {
  if (!g_disk_fails) return static_cast<int>(::syscall(SYS_fsync, file));
  errno = EIO;
  return -1;
}

namespace varve {
namespace {

TEST(DType, HalfFloatsRoundTripEveryCode) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const auto bits = static_cast<uint16_t>(code);
    const float half = f16_to_f32(bits);
    if (std::isnan(half)) continue;
    EXPECT_EQ(f32_to_f16(half), bits) << code;
    const float brain = bf16_to_f32(bits);
    if (!std::isnan(brain)) {
      EXPECT_EQ(f32_to_bf16(brain), bits) << code;
    }
  }
  EXPECT_EQ(f16_to_f32(0x0001), 0x1p-24f);
  EXPECT_EQ(f16_to_f32(0x7bff), 65504.0f);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0);  // a tie goes to even
  EXPECT_EQ(f32_to_bf16(1.00390625f), 0x3f80);
}

TEST(DType, EightBitFloats) {
  EXPECT_EQ(f8_e4m3_to_f32(0x7e), 448.0f);
  EXPECT_EQ(f8_e4m3_to_f32(0x01), 0x1p-9f);
  EXPECT_EQ(f8_e4m3_to_f32(0xb8), -1.0f);
  EXPECT_TRUE(std::isnan(f8_e4m3_to_f32(0x7f)));
  EXPECT_EQ(e8m0_to_f32(127), 1.0f);
  EXPECT_EQ(e8m0_to_f32(0), 0x1p-127f);
  EXPECT_EQ(f8_e5m2_to_f32(0x7b), 57344.0f);
  EXPECT_EQ(dtype_from_name("F8_E4M3"), DType::f8_e4m3);
  EXPECT_EQ(dtype_from_name("F8"), std::nullopt);
  EXPECT_EQ(dtype_from_name("F4"), DType::f4);
  EXPECT_EQ(dtype_bits(DType::f6_e2m3), 6);
}

TEST(SystemMemory, SaysAPlausibleNumber) {
  EXPECT_GT(available_memory(), uint64_t{1} << 20);
  EXPECT_LT(available_memory(), uint64_t{1} << 50);
}

TEST(Checked, NothingWraps) {
  EXPECT_EQ(checked_mul(uint64_t{1} << 63, 2), std::nullopt);
  EXPECT_EQ(checked_add(~uint64_t{0}, 1), std::nullopt);
  EXPECT_EQ(checked_elements(std::vector<int64_t>{int64_t{1} << 40, int64_t{1} << 40}), std::nullopt);
  EXPECT_EQ(checked_elements(std::vector<int64_t>{3, -1}), std::nullopt);
  EXPECT_EQ(checked_elements(std::vector<int64_t>{}), 1);
}

TEST(ThreadPool, EveryUnitOnceWhateverTheThreads) {
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::vector<int> hits(101, 0);
      pool.for_ranges(101, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), 0), 101);
      EXPECT_EQ(*std::max_element(hits.begin(), hits.end()), 1);
    }
  }
}

TEST(ThreadPool, EveryRankOnceAwakeOrAsleepAndMoreThreadsThanCores) {
  for (const int threads : {2, 5, 16}) {
    ThreadPool pool(threads);
    for (int repeat = 0; repeat < 300; ++repeat) {
      if (repeat % 100 == 50)
        std::this_thread::sleep_for(std::chrono::milliseconds(30));  // the workers sleep
      std::vector<int> hits(static_cast<size_t>(threads), 0);
      const auto caller = std::this_thread::get_id();
      bool first_on_caller = false;
      pool.run([&](int rank) {
        ++hits[static_cast<size_t>(rank)];
        if (rank == 0) first_on_caller = std::this_thread::get_id() == caller;
      });
      ASSERT_EQ(hits, std::vector<int>(static_cast<size_t>(threads), 1)) << repeat;
      ASSERT_TRUE(first_on_caller);
    }
  }
}

TEST(File, WriteIsWholeAndMapSeesChange) {
  const auto file = test::scratch_dir() / "a.txt";
  write_text(file, "hello");
  EXPECT_EQ(read_text(file, 100), "hello");
  const auto mapped = MappedFile::open(file);
  EXPECT_EQ(mapped->bytes().size(), 5u);
  EXPECT_TRUE(mapped->unchanged());
  write_text(file, "other");
  EXPECT_FALSE(mapped->unchanged());
  EXPECT_THROW(read_text(file, 3), LoadError);
  EXPECT_THROW(MappedFile::open(file.parent_path()), LoadError);
  EXPECT_THROW(MappedFile::open(file.parent_path() / "none"), LoadError);
}

TEST(File, WhatTheDiskDoesNotTakeLeavesTheOldOne) {
  const auto file = test::scratch_dir() / "a.txt";
  write_text(file, "old");
  g_disk_fails = true;
  EXPECT_THROW(write_text(file, "new"), LoadError);
  g_disk_fails = false;
  EXPECT_EQ(read_text(file, 100), "old");
  const std::filesystem::directory_iterator all(file.parent_path());
  EXPECT_EQ(std::distance(begin(all), end(all)), 1);
}

TEST(Buffer, IsZeroAndAligned) {
  Buffer big(size_t{5} << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(big.data()) % (size_t{2} << 20), 0u);
  EXPECT_EQ(big.as<char>()[12345], 0);
}

TEST(Error, SuggestsTheNearestWord) {
  EXPECT_EQ(nearest("gated_mpl", {"gated_mlp", "sparse_moe"}), "gated_mlp");
  EXPECT_EQ(nearest("zzzzzzzz", {"gated_mlp", "sparse_moe"}), "");
}

}  // namespace
}  // namespace varve
