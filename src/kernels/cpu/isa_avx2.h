#pragma once
// AVX2, FMA and F16C. VARVE_VNNI adds AVX-VNNI's dot product; the integers are the same without.
#include <immintrin.h>

#include <cstdint>

namespace varve::kernels {
namespace {
constexpr int kLanes = 8;
}
}  // namespace varve::kernels

#include "kernels/cpu/vec.h"

namespace varve::kernels {
namespace {

constexpr int kStep = 4;         // rows of x in registers together
constexpr int kPanelBlocks = 1;  // blocks of 16 output rows in registers together
constexpr bool kSignedWeights = false;
constexpr int64_t kPrefetchBytes = 4096;

VARVE_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }

VARVE_INLINE F f16_to_float(H halves) { return _mm256_cvtph_ps(cast<__m128i>(halves)); }

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
