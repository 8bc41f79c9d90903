#pragma once
// 64-bit Arm. VARVE_DOTPROD adds the dot product extension; the integers are the same without.
#include <arm_neon.h>

#include <cstdint>

namespace varve::kernels {
namespace {
constexpr int kLanes = 4;
}
}  // namespace varve::kernels

#include "kernels/cpu/vec.h"

namespace varve::kernels {
namespace {

constexpr int kStep = 4;               // rows of x in registers together
constexpr int kPanelBlocks = 1;        // blocks of 16 output rows in registers together
constexpr bool kSignedWeights = true;  // 8-bit codes are taken as code - 128
constexpr int64_t kPrefetchBytes = 1024;

VARVE_INLINE F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }

VARVE_INLINE F f16_to_float(H halves) { return vcvt_f32_f16(cast<float16x4_t>(halves)); }

template <int kBits>
VARVE_INLINE U dot(U acc, U weights, U x) {
  const auto w = cast<int8x16_t>(weights);
  const auto xs = cast<int8x16_t>(x);
#ifdef VARVE_DOTPROD
  return cast<U>(vdotq_s32(cast<int32x4_t>(acc), w, xs));
#else
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(xs)));
  const int32x4_t high = vpaddlq_s16(vmull_high_s8(w, xs));
  return acc + cast<U>(vpaddq_s32(low, high));
#endif
}

VARVE_INLINE U look_up(const uint8_t (&table)[16], U index) {
  return cast<U>(vqtbl1q_u8(vld1q_u8(table), cast<uint8x16_t>(index)));
}

VARVE_INLINE F dot_bf16(F acc, U weights, U x) {
  acc = fma(as_float(weights << 16), as_float(x << 16), acc);
  return fma(as_float(weights & 0xffff0000u), as_float(x & 0xffff0000u), acc);
}

}  // namespace
}  // namespace varve::kernels
