#include "ops/mlx_words.h"

#include <cmath>

#include "core/error.h"
#include "ops/bits.h"

namespace varve::ops {

namespace {

/// Puts element `index`; false when it became infinite.
bool store_float(DType dtype, float value, std::byte* table, int64_t index) {
  if (dtype == DType::f32) {
    std::memcpy(table + 4 * index, &value, 4);
    return true;
  }
  const uint16_t half = dtype == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
  std::memcpy(table + 2 * index, &half, 2);
  return std::isfinite(load_float(dtype, table, index));
}

}  // namespace

WeightFormat mlx_format(const WeightFormat& format) {
  if (format.encoding != Encoding::kquant) return format;
  return {Encoding::affine, DType::f16, format.group == 32 ? format.bits : 8, 32};
}

bool affine_tables(const WeightView& weight, DType dtype, std::byte* scales, std::byte* biases) {
  const WeightFormat& format = weight.format;
  check(format.encoding == Encoding::kquant && format.group == 32, "no affine words of such a matrix");
  const int64_t groups = format.groups(weight.cols), row_bytes = weight.scale_row_bytes();
  bool fit = true;
  for (int64_t row = 0; row < weight.rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      const GroupScale number =
          load_scale(format, weight.scales + row * row_bytes, weight.biases + row * row_bytes, group);
      fit &= store_float(dtype, number.scale, scales, row * groups + group);
      fit &= store_float(dtype, number.bias, biases, row * groups + group);
    }
  return fit;
}

}  // namespace varve::ops
