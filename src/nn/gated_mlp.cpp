#include "nn/gated_mlp.h"

#include <array>

namespace varve::nn {

GatedMlp::GatedMlp(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden), inner_norm_(params.inner_norm, params.inner) {
  params_.gate.check();
}

void GatedMlp::bind_as(Binder& binder, std::string_view name) {
  const Scope scope(binder, name);
  const Presence bias = presence_from(params_.bias);
  binder.linear("gate_proj", {.out = params_.inner, .in = hidden_, .bias = bias}, gate_);
  binder.linear("up_proj", {.out = params_.inner, .in = hidden_, .bias = bias}, up_);
  binder.linear("down_proj", {.out = hidden_, .in = params_.inner, .bias = bias}, down_);
  inner_norm_.bind(binder);
}

void GatedMlp::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t width = params_.inner;
  float* gate = at.work.floats(x.rows, width);
  float* up = at.work.floats(x.rows, width);
  const std::array<ops::LinearOut, 2> projections{{
      {.weight = &gate_.weight, .bias = gate_.bias.data(), .y = gate, .y_stride = width},
      {.weight = &up_.weight, .bias = up_.bias.data(), .y = up, .y_stride = width},
  }};
  at.backend.linear({.x = x, .outs = projections});
  params_.gate.forward(at.backend, gate, up, x.rows, width);
  inner_norm_.forward(at.backend, gate, x.rows);
  const ops::LinearOut output{.weight = &down_.weight,
                              .bias = down_.bias.data(),
                              .y = out.y,
                              .y_stride = out.stride,
                              .accumulate = out.accumulate};
  at.backend.linear(
      {.x = {.data = gate, .rows = x.rows, .cols = width, .stride = width}, .outs = {&output, 1}});
}

}  // namespace varve::nn
