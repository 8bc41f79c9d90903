#include "nn/weight_source.h"

#include "core/error.h"

namespace varve::nn {

SourceMatrix WeightSource::rows(std::string_view name, int64_t expert, int64_t first, int64_t count) {
  SourceMatrix out = matrix(name, expert);
  ops::WeightView& view = out.view;
  check(first >= 0 && count >= 0 && first + count <= view.rows, "rows beyond the matrix");
  view.data += first * view.row_bytes();
  if (view.scales) view.scales += first * view.scale_row_bytes();
  if (view.biases) view.biases += first * view.scale_row_bytes();
  view.rows = count;
  return out;
}

}  // namespace varve::nn
