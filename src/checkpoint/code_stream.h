#pragma once
// Codes as the bit stream that quantised words are: the lowest bit first.
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace varve::checkpoint {

/// `count` codes (a multiple of 8) of kBits. Eight at a time: neighbours move together, then pairs of them,
/// then fours.
template <int kBits>
void write_codes(const uint8_t* codes, int count, std::byte* out) {
  for (int eight = 0; eight < count; eight += 8, out += kBits) {
    uint64_t x = 0;
    std::memcpy(&x, codes + eight, 8);
    constexpr uint64_t kOnes = 0x00ff00ff00ff00ff, kTwos = 0x0000ffff0000ffff;
    x = (x & kOnes) | ((x >> 8) & kOnes) << kBits;
    x = (x & kTwos) | ((x >> 16) & kTwos) << (2 * kBits);
    x = (x & 0xffffffff) | (x >> 32) << (4 * kBits);
    std::memcpy(out, &x, kBits);
  }
}

}  // namespace varve::checkpoint
