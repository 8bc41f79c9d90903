#pragma once
// The loops behind kernels/probe.h, for one instruction set; included by the per-instruction-set files.
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

/// Chains of acc = step(acc, w, x): enough of them to hide the latency of any machine so far, few enough for
/// sixteen registers. Chains that the compiler may not merge, each step in its place, without copies.
template <class Acc, class Step>
VARVE_INLINE void run_chains(int64_t iterations, const Step& step) {
  constexpr int kChains = 12;
  Acc acc[kChains] = {};
  U w = set1(0x3f803f80u), x = set1(0x3f003f00u);
#pragma GCC unroll 12
  for (int chain = 0; chain < kChains; ++chain) hide(acc[chain]);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kChains; ++chain) {
      acc[chain] = step(acc[chain], w, x);
      hide(acc[chain]);
      hide(w);  // or the chains would share their products where a step is more than one instruction
    }
    hide(x);
  }
}

int64_t int8_operations(int64_t iterations) {
  run_chains<U>(
      iterations, [&](U acc, U w, U x)
                      __attribute__((always_inline)) { return IntegerSum<4>::inner(acc, w, x); });
  return iterations * 12 * kLanes * 4 * 2;
}

int64_t bf16_operations(int64_t iterations) {
  run_chains<F>(
      iterations, [&](F acc, U w, U x) __attribute__((always_inline)) { return dot_bf16(acc, w, x); });
  return iterations * 12 * kLanes * 2 * 2;
}

int64_t f32_operations(int64_t iterations) {
  run_chains<F>(
      iterations, [&](F acc, U w, U x)
                      __attribute__((always_inline)) { return fma(as_float(w), as_float(x), acc); });
  return iterations * 12 * kLanes * 2;
}

}  // namespace
}  // namespace varve::kernels
