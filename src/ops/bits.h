#pragma once
// The definition of the quantised encodings, one number at a time: shared by what reads checkpoints' rows and
// what reads packed tiles, so that the two cannot differ.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ops/weight.h"

namespace varve::ops {

template <class T>
inline T load_unaligned(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Element `index` of a table of f32, f16 or bf16.
inline float load_float(DType dtype, const std::byte* table, int64_t index) {
  if (dtype == DType::f32) return load_unaligned<float>(table + 4 * index);
  const auto half = load_unaligned<uint16_t>(table + 2 * index);
  return dtype == DType::f16 ? f16_to_f32(half) : bf16_to_f32(half);
}

/// Code `index` of an LSB-first stream of `bits`-wide codes. A code touches two bytes at most.
inline uint32_t load_code(const std::byte* stream, int64_t index, int bits) {
  const int64_t bit = index * bits;
  const int shift = static_cast<int>(bit & 7);
  auto word = static_cast<uint32_t>(stream[bit >> 3]);
  if (shift + bits > 8) word |= static_cast<uint32_t>(stream[(bit >> 3) + 1]) << 8;
  return (word >> shift) & ((1u << bits) - 1u);
}

struct GroupScale {
  float scale = 0;
  float bias = 0;
};

/// An int8 of a group times the float16 of its 256 inputs; exact in f32.
inline float product(const std::byte* of_all, const std::byte* of_group) {
  return load_float(DType::f16, of_all, 0) * static_cast<float>(static_cast<int8_t>(*of_group));
}

/// The bias of a kquant group without a minimum, over its scale: exact as well.
inline float centre_of(const WeightFormat& format) {
  return format.has_biases() ? 0.0f : static_cast<float>(1 << (format.bits - 1));
}

inline GroupScale load_scale(const WeightFormat& format, const std::byte* scales, const std::byte* biases,
                             int64_t index) {
  if (format.encoding == Encoding::kquant) {
    const int64_t groups = kSuperGroup / format.group;
    const int64_t all = index / groups * (2 + groups), one = all + 2 + index % groups;
    const float scale = product(scales + all, scales + one);
    return {scale, format.has_biases() ? -product(biases + all, biases + one) : -centre_of(format) * scale};
  }
  if (format.encoding == Encoding::affine)
    return {load_float(format.dtype, scales, index), load_float(format.dtype, biases, index)};
  if (format.encoding == Encoding::fp8) return {load_float(DType::f32, scales, index), 0};
  const auto code = static_cast<uint8_t>(scales[index]);
  return {format.encoding == Encoding::nvfp4 ? f8_e4m3_to_f32(code) : e8m0_to_f32(code), 0};
}

/// The value of a code: for affine and kquant the product is rounded, then the sum.
inline float decode(const WeightFormat& format, uint32_t code, const GroupScale& scale) {
  switch (format.encoding) {
    case Encoding::affine:
    case Encoding::kquant: {
      const float product = static_cast<float>(code) * scale.scale;
      return product + scale.bias;
    }
    case Encoding::mxfp8:
    case Encoding::fp8:
      return f8_e4m3_to_f32(static_cast<uint8_t>(code)) * scale.scale;
    default:
      return kFp4Values[code & 15u] * scale.scale;
  }
}

}  // namespace varve::ops
