#pragma once
// Number types of tensors as files name them, and the two 16-bit floats as functions.
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace varve {

/// The dtypes of the safetensors format (https://huggingface.co/docs/safetensors).
enum class DType : uint8_t {
  boolean,
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  u64,
  i64,
  f16,
  bf16,
  f32,
  f64,
  f8_e4m3,
  f8_e5m2,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  c64,
  f4,
  f6_e2m3,
  f6_e3m2
};

/// Bits of one element: less than 8 for the packed types f4, f6_e2m3 and f6_e3m2.
int64_t dtype_bits(DType dtype);
/// Bytes of one element. Asking for that of a packed type is a bug.
int64_t dtype_size(DType dtype);
/// The spelling of the format: "F32", "BF16", "F8_E4M3" ...
std::string_view dtype_name(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

inline float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// Rounds to nearest, ties to even; NaN stays NaN.
inline uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline float f16_to_f32(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  // Scaling by 2^112 moves the exponent bias from 15 to 127 and makes subnormals right as well.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | sign);
}

/// Rounds to nearest, ties to even; overflow becomes infinity.
uint16_t f32_to_f16(float value);

/// OCP 8-bit float E4M3 (no infinity; 0x7f and 0xff are NaN).
float f8_e4m3_to_f32(uint8_t bits);
float f8_e5m2_to_f32(uint8_t bits);
/// OCP E8M0: 2^(bits-127); 255 is NaN.
float e8m0_to_f32(uint8_t bits);
/// The 16 values of OCP FP4 E2M1 by code.
inline constexpr float kFp4Values[16] = {0.f,  .5f,  1.f,  1.5f,  2.f,  3.f,  4.f,  6.f,
                                         -0.f, -.5f, -1.f, -1.5f, -2.f, -3.f, -4.f, -6.f};

}  // namespace varve
