#include "nn/qk_norm.h"

namespace varve::nn {

QkNorm::QkNorm(const Params& params, int64_t heads, int64_t head_dim)
    : params_(params), heads_(heads), head_dim_(head_dim) {}

void QkNorm::bind(Binder& binder, std::string_view name) {
  if (params_.kind == "unit_rms") return;
  const int64_t size = params_.over == "head" ? head_dim_ : heads_ * head_dim_;
  binder.vector(std::string(name) + ".weight", size, Presence::required, weight_);
  if (params_.kind == "layer_norm")
    binder.vector(std::string(name) + ".bias", size, Presence::optional, bias_);
}

/// `y` in place, `shape` being its rows, with the weights from `offset` on.
void QkNorm::normalise(ops::Backend& backend, float* y, const Shape& shape, int64_t offset) const {
  const ops::Rows x{.data = y, .rows = shape.rows, .cols = shape.cols, .stride = shape.stride};
  const float* weight = weight_.empty() ? nullptr : weight_.data() + offset;
  if (params_.kind != "layer_norm")
    return backend.rms_norm({.x = x, .weight = weight, .eps = params_.eps, .y = y, .y_stride = x.stride});
  backend.layer_norm({.x = x,
                      .weight = weight,
                      .bias = bias_.empty() ? nullptr : bias_.data() + offset,
                      .eps = params_.eps,
                      .y = y,
                      .y_stride = x.stride});
}

void QkNorm::forward(ops::Backend& backend, float* x, int64_t rows) const {
  const int64_t width = heads_ * head_dim_;
  if (params_.over == "full") return normalise(backend, x, {.rows = rows, .cols = width, .stride = width}, 0);
  if (params_.over == "head")  // the heads of all rows lie one after the other
    return normalise(backend, x, {.rows = rows * heads_, .cols = head_dim_, .stride = head_dim_}, 0);
  for (int64_t h = 0; h < heads_; ++h)
    normalise(backend, x + h * head_dim_, {.rows = rows, .cols = head_dim_, .stride = width}, h * head_dim_);
}

}  // namespace varve::nn
