#pragma once
// Preparation of activations (kernels/linear_kernels.h), one row at a time; included by the
// per-instruction-set files. All of them give the same bits.
#include <algorithm>
#include <cstring>

#include "core/checked.h"
#include "kernels/cpu/vec.h"
#include "kernels/linear_kernels.h"

namespace varve::kernels {
namespace {

/// 1.5 * 2^23: adding it to a float of small magnitude leaves the nearest integer (ties to even) in the low
/// bits.
constexpr float kRoundingMagic = 12582912.0f;

VARVE_INLINE F max(F a, F b) { return a > b ? a : b; }
VARVE_INLINE F magnitude(F x) { return as_float(as_bits(x) & 0x7fffffffu); }

VARVE_INLINE void prepare_int8(const float* x, int count, std::byte* codes, ActScale& scale) {
  F most_of_lane = magnitude(load<F>(x));
  for (int k = kLanes; k < count; k += kLanes) most_of_lane = max(most_of_lane, magnitude(load<F>(x + k)));
  const float most = largest(most_of_lane);

  const float inverse = most > kTinyActivation ? 127.0f / most : 0.0f;
  S sum_of_lane{};
  for (int k = 0; k < count; k += kLanes) {
    const F rounded = load<F>(x + k) * set1(inverse) + set1(kRoundingMagic);
    const S code = cast<S>(as_bits(rounded) - cast<uint32_t>(kRoundingMagic));
    sum_of_lane += code;
    store(codes + k, low_bytes(code));
  }
  const int32_t sum = total(sum_of_lane);
  scale.scale = inverse > 0 ? most / 127.0f : 0.0f;
  scale.sum = scale.scale * static_cast<float>(sum);
  scale.minus_sum16 = -16 * sum;
}

/// `count` is a multiple of 4 and of kLanes.
VARVE_INLINE void prepare_int16(const float* x, int count, std::byte* digits, ActScale& scale) {
  F most_of_lane = magnitude(load<F>(x));
  for (int k = kLanes; k < count; k += kLanes) most_of_lane = max(most_of_lane, magnitude(load<F>(x + k)));
  const float most = largest(most_of_lane);

  const float inverse = most > kTinyActivation ? 127.0f / most : 0.0f;
  std::byte highs[ops::kMaxChunk], lows[ops::kMaxChunk];
  S high_of_lane{}, low_of_lane{};
  for (int k = 0; k < count; k += kLanes) {
    const F scaled = load<F>(x + k) * set1(inverse);
    const F high = scaled + set1(kRoundingMagic);
    const F rest = (scaled - (high - set1(kRoundingMagic))) * set1(static_cast<float>(kHighDigit));
    const F low = rest + set1(kRoundingMagic);
    const S high_code = cast<S>(as_bits(high) - cast<uint32_t>(kRoundingMagic));
    const S low_code = cast<S>(as_bits(low) - cast<uint32_t>(kRoundingMagic));
    high_of_lane += high_code;
    low_of_lane += low_code;
    store(highs + k, low_bytes(high_code));
    store(lows + k, low_bytes(low_code));
  }
  for (int k = 0; k < count; k += 4) {
    std::memcpy(digits + 2 * k, highs + k, 4);
    std::memcpy(digits + 2 * k + 4, lows + k, 4);
  }
  const int32_t high_sum = total(high_of_lane), low_sum = total(low_of_lane);
  scale.minus_sum16 = -16 * high_sum;
  scale.minus_low16 = -16 * low_sum;
  scale.scale = inverse > 0 ? most / 127.0f / static_cast<float>(kHighDigit) : 0.0f;
  scale.sum = scale.scale * static_cast<float>(kHighDigit * high_sum + low_sum);
}

VARVE_INLINE void prepare_bf16(const float* x, int count, std::byte* out) {
  for (int k = 0; k < count; k += kLanes) {
    const U bits = load<U>(x + k);
    const U rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
    const U nan = (bits >> 16) | 0x40u;
    const S is_nan = (bits & 0x7fffffffu) > set1(0x7f800000u);
    const auto mask = cast<U>(is_nan);
    store(out + 2 * k, low_halves((nan & mask) | (rounded & ~mask)));
  }
}

void prepare(const ActFormat& format, const float* x, int64_t cols, const ActTile& tile, int row) {
  const int64_t chunks = divide_up(cols, format.chunk);
  const int64_t bytes = format.chunk_bytes();
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t place = chunk * tile.rows + row;
    const float* in = x + chunk * format.chunk;
    float padded[ops::kMaxChunk];
    const int64_t left = cols - chunk * format.chunk;
    if (left < format.chunk) {
      std::fill_n(std::copy_n(in, left, padded), format.chunk - left, 0.0f);
      in = padded;
    }
    std::byte* out = tile.values + place * bytes;
    if (format.kind == ActKind::f32)
      std::memcpy(out, in, static_cast<size_t>(bytes));
    else if (format.kind == ActKind::bf16)
      prepare_bf16(in, format.chunk, out);
    else if (format.kind == ActKind::int16)
      prepare_int16(in, format.chunk, out, tile.scales[place]);
    else
      prepare_int8(in, format.chunk, out, tile.scales[place]);
  }
}

}  // namespace
}  // namespace varve::kernels
