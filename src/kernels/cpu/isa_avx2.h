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
constexpr bool kSignedWeights = false;
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

template <int kBits>
VARVE_INLINE U dot(U acc, U weights, U x) {
  const auto w = cast<__m256i>(weights);
  const auto xs = cast<__m256i>(x);
#ifdef VARVE_VNNI
  return cast<U>(_mm256_dpbusd_avx_epi32(cast<__m256i>(acc), w, xs));
#else
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (kBits < 8) {  // 2 * 63 * 127 fits 16 bits
    return acc + cast<U>(_mm256_madd_epi16(_mm256_maddubs_epi16(w, xs), ones));
  } else {  // 2 * 255 * 127 does not: the top bit by itself
    const __m256i top = _mm256_set1_epi8(static_cast<char>(0x80));
    const __m256i low = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_andnot_si256(top, w), xs), ones);
    const __m256i high = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_and_si256(top, w), xs), ones);
    return acc + cast<U>(low) + cast<U>(high);
  }
#endif
}

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
