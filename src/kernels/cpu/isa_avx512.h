#pragma once
// AVX-512 F, BW, VL, DQ and VNNI. VARVE_BF16 adds the bf16 dot product.
// GCC 12 takes the undefined vectors inside its own intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>

#include <cstdint>

namespace varve::kernels {
namespace {
constexpr int kLanes = 16;
}
}  // namespace varve::kernels

#include "kernels/cpu/vec.h"

namespace varve::kernels {
namespace {

constexpr int kStep = 8;             // rows of x in registers together
constexpr int kPanelBlocks = 2;      // blocks of 16 output rows in registers together
constexpr bool kSigned8Bit = false;  // the dot product takes unsigned weights
constexpr bool kSignedFp4 = false;
constexpr int64_t kPrefetchBytes = 4096;  // ahead of the stream of weights

VARVE_INLINE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }

VARVE_INLINE F f16_to_float(H halves) { return _mm512_cvtph_ps(cast<__m256i>(halves)); }

VARVE_INLINE U widen(H halves) { return cast<U>(_mm512_cvtepu16_epi32(cast<__m256i>(halves))); }
VARVE_INLINE U widen(B bytes) { return cast<U>(_mm512_cvtepu8_epi32(cast<__m128i>(bytes))); }
VARVE_INLINE H low_halves(U words) { return cast<H>(_mm512_cvtepi32_epi16(cast<__m512i>(words))); }
VARVE_INLINE B low_bytes(S words) { return cast<B>(_mm512_cvtepi32_epi8(cast<__m512i>(words))); }
VARVE_INLINE float largest(F v) { return _mm512_reduce_max_ps(v); }
VARVE_INLINE int32_t total(S v) { return _mm512_reduce_add_epi32(cast<__m512i>(v)); }
VARVE_INLINE F bf16_to_float(H halves) { return as_float(widen(halves) << 16); }

/// acc + the sum of four products of unsigned weights and signed activations, exactly.
template <int kBits>
VARVE_INLINE U dot(U acc, U weights, U x) {
  return cast<U>(_mm512_dpbusd_epi32(cast<__m512i>(acc), cast<__m512i>(weights), cast<__m512i>(x)));
}

/// table[index] for each byte, index < 16.
VARVE_INLINE U look_up(const uint8_t (&table)[16], U index) {
  const __m512i bytes = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return cast<U>(_mm512_shuffle_epi8(bytes, cast<__m512i>(index)));
}

/// The magnitudes of E4M3 as bf16 (every one is a bf16 number), by code.
struct Fp8Table {
  alignas(64) uint16_t bits[128] = {};
  constexpr Fp8Table() {
    for (int code = 0; code < 128; ++code) {
      const int exponent = code >> 3, mantissa = code & 7;
      if (exponent > 0) {
        bits[code] = static_cast<uint16_t>((exponent + 120) << 7 | mantissa << 4);
      } else if (mantissa > 0) {  // mantissa * 2^-9, made normal
        const int top = mantissa >= 4 ? 2 : mantissa >= 2 ? 1 : 0;
        bits[code] = static_cast<uint16_t>((118 + top) << 7 | ((mantissa << (7 - top)) & 0x7f));
      }
    }
    bits[127] = 0x7fc0;  // NaN
  }
};
constexpr Fp8Table kFp8Table;

/// Codes in the low byte of each 16-bit half as bf16.
VARVE_INLINE U e4m3_halves_to_bf16(__m512i codes) {
  const auto* table = reinterpret_cast<const __m512i*>(kFp8Table.bits);
  const __m512i below64 = _mm512_permutex2var_epi16(table[0], codes, table[1]);
  const __m512i above = _mm512_permutex2var_epi16(table[2], codes, table[3]);
  const __mmask32 is_above = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(0x40));
  const __m512i magnitude = _mm512_mask_mov_epi16(below64, is_above, above);
  const __m512i sign = _mm512_slli_epi16(codes, 8);
  return cast<U>(_mm512_ternarylogic_epi32(sign, _mm512_set1_epi16(static_cast<int16_t>(0x8000)), magnitude,
                                           0xea));  // sign & 0x8000 | magnitude
}

VARVE_INLINE F e4m3_to_float(U code) { return as_float(e4m3_halves_to_bf16(cast<__m512i>(code)) << 16); }

/// Codes 2 * Pair and 2 * Pair + 1 of each lane.
template <int Pair>
VARVE_INLINE U e4m3_pair_to_bf16(U codes) {
  const __m128i spread =
      _mm_set_epi8(-1, 13 + 2 * Pair, -1, 12 + 2 * Pair, -1, 9 + 2 * Pair, -1, 8 + 2 * Pair, -1, 5 + 2 * Pair,
                   -1, 4 + 2 * Pair, -1, 1 + 2 * Pair, -1, 2 * Pair);
  return e4m3_halves_to_bf16(_mm512_shuffle_epi8(cast<__m512i>(codes), _mm512_broadcast_i32x4(spread)));
}

/// acc + w[2i] * x[2i] + w[2i + 1] * x[2i + 1] of bf16 pairs.
VARVE_INLINE F dot_bf16(F acc, U weights, U x) {
#ifdef VARVE_BF16
  return _mm512_dpbf16_ps(acc, cast<__m512bh>(weights), cast<__m512bh>(x));
#else
  acc = fma(as_float(weights << 16), as_float(x << 16), acc);
  return fma(as_float(weights & 0xffff0000u), as_float(x & 0xffff0000u), acc);
#endif
}

}  // namespace
}  // namespace varve::kernels

#include "kernels/cpu/integer_sum.h"
