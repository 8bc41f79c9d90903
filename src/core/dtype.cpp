#include "core/dtype.h"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"

namespace varve {

namespace {

struct Row {
  DType dtype;
  std::string_view name;
  int64_t bits;
};

constexpr std::array<Row, 22> kRows{{{DType::boolean, "BOOL", 8},
                                     {DType::u8, "U8", 8},
                                     {DType::i8, "I8", 8},
                                     {DType::u16, "U16", 16},
                                     {DType::i16, "I16", 16},
                                     {DType::u32, "U32", 32},
                                     {DType::i32, "I32", 32},
                                     {DType::u64, "U64", 64},
                                     {DType::i64, "I64", 64},
                                     {DType::f16, "F16", 16},
                                     {DType::bf16, "BF16", 16},
                                     {DType::f32, "F32", 32},
                                     {DType::f64, "F64", 64},
                                     {DType::f8_e4m3, "F8_E4M3", 8},
                                     {DType::f8_e5m2, "F8_E5M2", 8},
                                     {DType::f8_e8m0, "F8_E8M0", 8},
                                     {DType::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
                                     {DType::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
                                     {DType::c64, "C64", 64},
                                     {DType::f4, "F4", 4},
                                     {DType::f6_e2m3, "F6_E2M3", 6},
                                     {DType::f6_e3m2, "F6_E3M2", 6}}};

}  // namespace

int64_t dtype_bits(DType dtype) { return kRows[static_cast<size_t>(dtype)].bits; }
int64_t dtype_size(DType dtype) {
  const int64_t bits = dtype_bits(dtype);
  check(bits % 8 == 0, "dtype_size of a packed type");
  return bits / 8;
}
std::string_view dtype_name(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds above 65504
  if (magnitude < 0x38800000u) {  // subnormal: let the float adder round at 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

float f8_e4m3_to_f32(uint8_t bits) {
  const int exponent = (bits >> 3) & 15;
  const int mantissa = bits & 7;
  float value = 0;
  if (exponent == 15 && mantissa == 7)
    value = std::numeric_limits<float>::quiet_NaN();
  else if (exponent == 0)
    value = static_cast<float>(mantissa) * 0x1p-9f;
  else
    value = std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return (bits & 0x80) ? -value : value;
}

float f8_e5m2_to_f32(uint8_t bits) { return f16_to_f32(static_cast<uint16_t>(bits << 8)); }

float e8m0_to_f32(uint8_t bits) {
  if (bits == 255) return std::numeric_limits<float>::quiet_NaN();
  return std::ldexp(1.0f, bits - 127);
}

}  // namespace varve
