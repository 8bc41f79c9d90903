#include "nn/norm.h"

#include <string>

namespace varve::nn {

void RmsNorm::bind(Binder& binder, std::string_view name) {
  binder.vector(std::string(name) + ".weight", columns_, Presence::required, weight_);
}

void RmsNorm::forward(ops::Backend& backend, const ops::Rows& x, float* y, int64_t y_stride) const {
  backend.rms_norm({.x = x, .weight = weight_.data(), .eps = params_.eps, .y = y, .y_stride = y_stride});
}

void LayerNorm::bind(Binder& binder, std::string_view name) {
  binder.vector(std::string(name) + ".weight", columns_, Presence::required, weight_);
  binder.vector(std::string(name) + ".bias", columns_, Presence::optional, bias_);
}

void LayerNorm::forward(ops::Backend& backend, const ops::Rows& x, float* y, int64_t y_stride) const {
  backend.layer_norm({.x = x,
                      .weight = weight_.data(),
                      .bias = bias_.data(),
                      .eps = params_.eps,
                      .y = y,
                      .y_stride = y_stride});
}

}  // namespace varve::nn
