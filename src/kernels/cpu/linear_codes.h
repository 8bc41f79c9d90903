#pragma once
// Quantised chunks (ops/tile.h) as vectors: codes as bytes for the integer kernels, values as float or bf16
// for the others. One file of templates for all widths; included by the per-instruction-set files only.
#include "kernels/cpu/vec.h"
#include "ops/tile.h"

namespace varve::kernels {
namespace {

/// Scales (or biases) of the lanes of slice `slice`.
VARVE_INLINE F load_scales(ops::ScaleType type, const std::byte* table, int slice) {
  switch (type) {
    case ops::ScaleType::f32:
      return load<F>(table + slice * 4 * kLanes);
    case ops::ScaleType::f16:
      return f16_to_float(load<H>(table + slice * 2 * kLanes));
    case ops::ScaleType::bf16:
      return bf16_to_float(load<H>(table + slice * 2 * kLanes));
    case ops::ScaleType::e8m0:
      return e8m0_to_float(widen(load<B>(table + slice * kLanes)));
    default:
      return e4m3_to_float(widen(load<B>(table + slice * kLanes)));
  }
}

/// A number for each group times one for all groups of a tile: int8 and float16, exact in float32.
VARVE_INLINE F products(const std::byte* front, const std::byte* header, int slice) {
  const U bytes = widen(load<B>(header + slice * kLanes));
  return f16_to_float(load<H>(front + slice * 2 * kLanes)) * to_float(cast<U>(cast<S>(bytes << 24) >> 24));
}

/// Inputs 4n..4n+3 of plane `Width`, as the four bytes of each lane, moved `kUp` bits up.
template <int Width, int kUp>
VARVE_INLINE U plane_quad(const std::byte* plane, int slice, int n) {
  constexpr int kQuads = 8 / Width;
  constexpr uint32_t kMask = ((1u << Width) - 1u) * 0x01010101u << kUp;
  const U words = load<U>(plane + n / kQuads * 64 + slice * 4 * kLanes);
  if constexpr (Width == 8) return words;
  const int shift = n % kQuads * Width - kUp;
  return (shift >= 0 ? words >> shift : words << -shift) & kMask;
}

/// The plane of one bit of a chunk of 16, two bits up.
VARVE_INLINE U half_plane_quad(const std::byte* plane, int slice, int n) {
  U words = widen(load<H>(plane + slice * 2 * kLanes));
  words = (words | words << 8) & 0x00ff00ffu;
  words = (words | words << 4) & 0x0f0f0f0fu;  // a nibble in every byte
  return (words << 2 >> n) & 0x04040404u;
}

/// Codes 4n..4n+3 of a chunk.
template <int Bits>
VARVE_INLINE U code_quad(const std::byte* planes, int chunk, int slice, int n) {
  constexpr int kWide = Bits >= 8 ? 8 : Bits >= 4 ? 4 : 2;
  U codes = plane_quad<kWide, 0>(planes, slice, n);
  if (Bits == 3 && chunk == 16) return codes | half_plane_quad(planes + 64, slice, n);
  if constexpr (Bits > kWide) codes |= plane_quad<Bits - kWide, kWide>(planes + 2 * chunk * kWide, slice, n);
  return codes;
}

/// Twice the value of an fp4 code, plus `kPlus`, as a byte.
template <int kPlus>
VARVE_INLINE U fp4_quad(U codes) {
  static constexpr uint8_t kTable[16] = {kPlus + 0,
                                         kPlus + 1,
                                         kPlus + 2,
                                         kPlus + 3,
                                         kPlus + 4,
                                         kPlus + 6,
                                         kPlus + 8,
                                         kPlus + 12,
                                         kPlus - 0,
                                         static_cast<uint8_t>(kPlus - 1),
                                         static_cast<uint8_t>(kPlus - 2),
                                         static_cast<uint8_t>(kPlus - 3),
                                         static_cast<uint8_t>(kPlus - 4),
                                         static_cast<uint8_t>(kPlus - 6),
                                         static_cast<uint8_t>(kPlus - 8),
                                         static_cast<uint8_t>(kPlus - 12)};
  return look_up(kTable, codes);
}

/// Integer codes with scale and bias.
template <int Bits>
struct AffineCodes {
  static constexpr int kBits = Bits;
  static constexpr bool kBias = true;
  /// What bytes() holds is the true code plus this: the integer kernels take it off again.
  static constexpr int kPlus = kSigned8Bit && Bits == 8 ? -128 : 0;
  static VARVE_INLINE U bytes(const std::byte* planes, int chunk, int slice, int n) {
    const U codes = code_quad<Bits>(planes, chunk, slice, n);
    return kPlus == 0 ? codes : codes ^ 0x80808080u;
  }
  static VARVE_INLINE F scale(F stored) { return stored; }
  /// Value of code 4n + i, with one rounding for the product and one for the sum.
  static VARVE_INLINE F value(U quad, int i, F scale, F bias) {
    return to_float((quad >> (8 * i)) & 0xff) * scale + bias;
  }
  static VARVE_INLINE U value_quad(const std::byte* planes, int chunk, int slice, int n) {
    return code_quad<Bits>(planes, chunk, slice, n);
  }
};

/// E2M1 codes as small integers, twice their value.
struct Fp4Codes {
  static constexpr int kBits = 5;
  static constexpr bool kBias = false;
  static constexpr int kPlus = kSignedFp4 ? 0 : 16;
  static VARVE_INLINE U bytes(const std::byte* planes, int chunk, int slice, int n) {
    return fp4_quad<kPlus>(code_quad<4>(planes, chunk, slice, n));
  }
  static VARVE_INLINE F scale(F stored) { return stored * set1(0.5f); }
  static VARVE_INLINE F value(U quad, int i, F scale, F) {
    const U up = quad << (24 - 8 * i);
    return to_float(cast<U>(cast<S>(up) >> 24)) * scale;
  }
  static VARVE_INLINE U value_quad(const std::byte* planes, int chunk, int slice, int n) {
    return fp4_quad<0>(code_quad<4>(planes, chunk, slice, n));
  }
};

/// E4M3 codes: no integers, values only.
struct Fp8Codes {
  static constexpr int kBits = 8;
  static constexpr bool kBias = false;
  static VARVE_INLINE F scale(F stored) { return stored; }
  static VARVE_INLINE F value(U quad, int i, F scale, F) {
    return e4m3_to_float((quad >> (8 * i)) & 0xff) * scale;
  }
  static VARVE_INLINE U value_quad(const std::byte* planes, int chunk, int slice, int n) {
    return code_quad<8>(planes, chunk, slice, n);
  }
};

}  // namespace
}  // namespace varve::kernels
