#include "nn/norm.h"

#include <fmt/format.h>

#include <string>

#include "core/error.h"

namespace varve::nn {

namespace {

void refuse_below_zero(float eps) {
  if (eps >= 0.0f) return;
  throw LoadError({.what = "a norm's eps must not be below 0",
                   .where = {},
                   .expected = "a small number such as 1e-6",
                   .found = fmt::format("{}", eps),
                   .advice = {}});
}

}  // namespace

RmsNorm::RmsNorm(const Params& params, const BlockInit& init) : params_(params), columns_(init.columns) {
  refuse_below_zero(params_.eps);
}

LayerNorm::LayerNorm(const Params& params, const BlockInit& init) : params_(params), columns_(init.columns) {
  refuse_below_zero(params_.eps);
}

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
