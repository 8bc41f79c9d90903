#pragma once
// The two loops behind kernels/probe.h, for one instruction set; included by the per-instruction-set files.
#include "kernels/cpu/vec.h"

namespace varve::kernels {
namespace {

/// Keeps the compiler from knowing a value, at no cost.
template <class V>
VARVE_INLINE void hide(V& value) {
#if defined(__aarch64__)
  asm volatile("" : "+w"(value));
#else
  asm volatile("" : "+v"(value));
#endif
}

void read_memory(const std::byte* begin, int64_t bytes) {
  U a{}, b{}, c{}, d{};
  for (int64_t at = 0; at + 256 <= bytes; at += 256) {
    for (int line = 0; line < 256; line += 64) __builtin_prefetch(begin + at + line + kPrefetchBytes, 0, 3);
#pragma GCC unroll 16
    for (int part = 0; part < 256; part += 16 * kLanes) {
      a ^= load<U>(begin + at + part);
      b ^= load<U>(begin + at + part + 4 * kLanes);
      c ^= load<U>(begin + at + part + 8 * kLanes);
      d ^= load<U>(begin + at + part + 12 * kLanes);
    }
  }
  a ^= b ^ c ^ d;
  hide(a);
}

int64_t int8_operations(int64_t iterations) {
  constexpr int kChains = 12;  // more than the latency times the throughput of any machine so far
  U acc[kChains] = {};
  for (U& chain : acc) hide(chain);
  U weights = set1(0x01020304u), x = set1(0x05060708u);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kChains; ++chain) acc[chain] = dot<4>(acc[chain], weights, x);
    hide(weights);
    hide(x);
  }
#pragma GCC unroll 12
  for (int chain = 0; chain < kChains; ++chain) hide(acc[chain]);
  return iterations * kChains * kLanes * 4 * 2;
}

}  // namespace
}  // namespace varve::kernels
