#pragma once
// 64-bit Arm. VARVE_DOTPROD adds the dot product extension; the integers are the same without.
#include <arm_neon.h>

#include <cstdint>

namespace varve::kernels {
namespace {
constexpr int kLanes = 4;
}
}  // namespace varve::kernels

#include "kernels/cpu/fp8.h"
#include "kernels/cpu/vec.h"

namespace varve::kernels {
namespace {

constexpr int kStep = 4;            // rows of x in registers together
constexpr int kPanelBlocks = 1;     // blocks of 16 output rows in registers together
constexpr bool kSigned8Bit = true;  // 8-bit codes are taken as code - 128
constexpr bool kSignedFp4 = true;
constexpr int64_t kPrefetchBytes = 1024;

VARVE_INLINE F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }

VARVE_INLINE F f16_to_float(H halves) { return vcvt_f32_f16(cast<float16x4_t>(halves)); }

VARVE_INLINE U widen(H halves) { return cast<U>(vmovl_u16(cast<uint16x4_t>(halves))); }
VARVE_INLINE U widen(B bytes) {
  const uint8x8_t v = vreinterpret_u8_u32(vdup_n_u32(cast<uint32_t>(bytes)));
  return cast<U>(vmovl_u16(vget_low_u16(vmovl_u8(v))));
}
VARVE_INLINE H low_halves(U words) { return cast<H>(vmovn_u32(cast<uint32x4_t>(words))); }
VARVE_INLINE B low_bytes(S words) {
  const int16x4_t halves = vmovn_s32(cast<int32x4_t>(words));
  return cast<B>(vget_lane_u32(vreinterpret_u32_s8(vmovn_s16(vcombine_s16(halves, halves))), 0));
}
VARVE_INLINE float largest(F v) { return vmaxvq_f32(v); }
VARVE_INLINE int32_t total(S v) { return vaddvq_s32(cast<int32x4_t>(v)); }
VARVE_INLINE F bf16_to_float(H halves) { return as_float(widen(halves) << 16); }

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

#include "kernels/cpu/integer_sum.h"
