#pragma once
// The pages of a mapped checkpoint that count as this process's memory: read ahead of their use and let go
// after it, so that a model of any size passes through a little memory.
#include <cstddef>
#include <cstdint>
#include <span>

#include "checkpoint/checkpoint.h"

namespace varve::convert {

/// Bytes of the source that may be mapped in at once, but for those of the piece in hand.
inline constexpr uint64_t kMostSourcePages = uint64_t{256} << 20;

/// The pages of a mapped range leave this process's memory; reading one again brings it back.
void forget_pages(std::span<const std::byte> mapped);

class SourcePages {
 public:
  explicit SourcePages(const checkpoint::Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  /// `bytes` at `at` are about to be read, and what follows them in their file probably next. Nothing happens
  /// for memory that is no mapped file.
  void expect(const std::byte* at, uint64_t bytes);
  /// So many bytes were read since the last time: pages go when that is enough to be worth it.
  void used(uint64_t bytes);
  /// Every page goes; reading one again brings it back.
  void release();

 private:
  const checkpoint::Checkpoint& checkpoint_;
  uint64_t held_ = 0;
  const std::byte* expected_until_ = nullptr;
};

}  // namespace varve::convert
