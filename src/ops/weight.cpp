#include "ops/weight.h"

#include "core/error.h"

namespace varve::ops {

int64_t WeightView::row_bytes() const {
  return format.encoding == Encoding::dense ? cols * dtype_size(format.dtype) : cols * format.bits / 8;
}

int64_t WeightView::scale_row_bytes() const {
  if (format.encoding == Encoding::dense) return 0;
  const int64_t groups = cols / format.group;
  return format.encoding == Encoding::affine ? groups * dtype_size(format.dtype) : groups;
}

int64_t WeightView::total_bytes() const {
  const int64_t scale_tables = format.encoding == Encoding::affine ? 2 : 1;
  return rows * (row_bytes() + scale_tables * scale_row_bytes());
}

}  // namespace varve::ops
