#pragma once
// AVX2, FMA and F16C. VARVE_VNNI adds AVX-VNNI's dot product; the integers are the same without.
#include <immintrin.h>

#include <cstdint>

namespace varve::kernels {
namespace {
constexpr int kLanes = 8;
}
}  // namespace varve::kernels

#include "kernels/cpu/fp8.h"
#include "kernels/cpu/vec.h"

namespace varve::kernels {
namespace {

constexpr int kStep = 4;         // rows of x in registers together
constexpr int kPanelBlocks = 1;  // blocks of 16 output rows in registers together
#ifdef VARVE_VNNI
constexpr bool kSigned8Bit = false;  // the dot product takes unsigned weights
#else
constexpr bool kSigned8Bit = true;  // 8-bit codes are taken as code - 128
#endif
constexpr bool kSignedFp4 = false;
constexpr int64_t kPrefetchBytes = 4096;

VARVE_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }

VARVE_INLINE F f16_to_float(H halves) { return _mm256_cvtph_ps(cast<__m128i>(halves)); }

VARVE_INLINE U widen(H halves) { return cast<U>(_mm256_cvtepu16_epi32(cast<__m128i>(halves))); }
VARVE_INLINE U widen(B bytes) {
  return cast<U>(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(cast<int64_t>(bytes))));
}
VARVE_INLINE H low_halves(U words) {
  const auto v = cast<__m256i>(words);
  return cast<H>(_mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}
/// For words from -128 to 127.
VARVE_INLINE B low_bytes(S words) {
  const auto v = cast<__m256i>(words);
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  return cast<B>(_mm_cvtsi128_si64(_mm_packs_epi16(halves, halves)));
}
VARVE_INLINE float largest(F v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
VARVE_INLINE int32_t total(S v) {
  const auto words = cast<__m256i>(v);
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}
VARVE_INLINE F bf16_to_float(H halves) { return as_float(widen(halves) << 16); }

#ifdef VARVE_VNNI
template <int kBits>
VARVE_INLINE U dot(U acc, U weights, U x) {
  return cast<U>(_mm256_dpbusd_avx_epi32(cast<__m256i>(acc), cast<__m256i>(weights), cast<__m256i>(x)));
}
#else
/// Pairs of products in 16 bits. `weights` are unsigned and below 64, or (kBits 8) signed: 2 * 128 * 127
/// still fits.
template <int kBits>
VARVE_INLINE __m256i pairs(U weights, U x) {
  const auto w = cast<__m256i>(weights);
  const auto xs = cast<__m256i>(x);
  if constexpr (kBits < 8) return _mm256_maddubs_epi16(w, xs);
  return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(xs, w));
}
VARVE_INLINE U widened(__m256i pairs) { return cast<U>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))); }
template <int kBits>
VARVE_INLINE U dot(U acc, U weights, U x) {
  return acc + widened(pairs<kBits>(weights, x));
}

/// As integer_sum.h has it, but four products of codes below 32 are added in 16 bits: 4 * 2 * 31 * 127 fits.
template <int kBits>
struct IntegerSum {
  static constexpr bool kNarrow = kBits <= 5;
  static constexpr int kRows = kNarrow ? 3 : kStep;
  U sum;
  U narrow = {};
  static VARVE_INLINE U inner(U acc, U weights, U x) {
    if constexpr (!kNarrow) return dot<kBits>(acc, weights, x);
    return cast<U>(_mm256_add_epi16(cast<__m256i>(acc), pairs<kBits>(weights, x)));
  }
  VARVE_INLINE void add(U weights, U x) {
    U& acc = kNarrow ? narrow : sum;
    acc = inner(acc, weights, x);
    asm("" : "+x"(acc));  // the compiler would reorder the additions, and run out of registers
  }
  VARVE_INLINE void settle() {
    if constexpr (!kNarrow) return;
    sum += widened(cast<__m256i>(narrow));
    narrow = U{};
  }
};
#endif

VARVE_INLINE U look_up(const uint8_t (&table)[16], U index) {
  const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return cast<U>(_mm256_shuffle_epi8(bytes, cast<__m256i>(index)));
}

VARVE_INLINE F dot_bf16(F acc, U weights, U x) {
  acc = fma(as_float(weights << 16), as_float(x << 16), acc);
  return fma(as_float(weights & 0xffff0000u), as_float(x & 0xffff0000u), acc);
}

}  // namespace
}  // namespace varve::kernels

#ifdef VARVE_VNNI
#include "kernels/cpu/integer_sum.h"
#endif
