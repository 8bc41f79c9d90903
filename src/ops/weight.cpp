#include "ops/weight.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "ops/bits.h"

namespace varve::ops {

int64_t WeightView::row_bytes() const {
  return format.encoding == Encoding::dense ? cols * dtype_size(format.dtype) : cols * format.bits / 8;
}

int64_t WeightView::scale_row_bytes() const {
  if (format.encoding == Encoding::dense) return 0;
  if (format.encoding == Encoding::kquant) return cols / kSuperGroup * (2 + kSuperGroup / format.group);
  const bool numbers = format.encoding == Encoding::affine || format.encoding == Encoding::fp8;
  return format.groups(cols) * (numbers ? dtype_size(format.dtype) : 1);
}

int64_t WeightView::total_bytes() const {
  const int64_t scale_tables = format.has_biases() ? 2 : 1;
  return rows * (row_bytes() + scale_tables * scale_row_bytes());
}

namespace {

void dequantize_row(const WeightView& weight, int64_t row, float* out) {
  const WeightFormat& format = weight.format;
  const std::byte* data = weight.data + row * weight.row_bytes();
  if (format.encoding == Encoding::dense) {
    for (int64_t k = 0; k < weight.cols; ++k) out[k] = load_float(format.dtype, data, k);
    return;
  }
  const std::byte* scales = weight.scales + row * weight.scale_row_bytes();
  const std::byte* biases = format.has_biases() ? weight.biases + row * weight.scale_row_bytes() : nullptr;
  for (int64_t group = 0; group < format.groups(weight.cols); ++group) {
    const GroupScale scale = load_scale(format, scales, biases, group);
    const int64_t end = std::min((group + 1) * format.group, weight.cols);
    for (int64_t k = group * format.group; k < end; ++k)
      out[k] = decode(format, load_code(data, k, format.bits), scale);
  }
}

}  // namespace

void dequantize_rows(const WeightView& weight, int64_t row, int64_t count, float* out) {
  check(row >= 0 && count >= 0 && row + count <= weight.rows, "rows beyond the matrix");
  for (int64_t i = 0; i < count; ++i) dequantize_row(weight, row + i, out + i * weight.cols);
}

}  // namespace varve::ops
