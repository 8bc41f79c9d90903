#include "nn/mlp.h"

namespace varve::nn {

void Mlp::bind(Binder& binder) {
  const Scope scope(binder, "mlp");
  const Presence bias = presence_from(params_.bias);
  binder.linear("up_proj", {.out = params_.inner, .in = hidden_, .bias = bias}, up_);
  binder.linear("down_proj", {.out = hidden_, .in = params_.inner, .bias = bias}, down_);
}

void Mlp::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t width = params_.inner;
  float* inside = at.work.floats(x.rows, width);
  const ops::LinearOut up{.weight = &up_.weight, .bias = up_.bias.data(), .y = inside, .y_stride = width};
  at.backend.linear({.x = x, .outs = {&up, 1}});
  at.backend.gated({.gate = inside,
                    .gate_stride = width,
                    .rows = x.rows,
                    .cols = width,
                    .activation = params_.activation,
                    .out = inside,
                    .out_stride = width});
  linear_into(at, down_, {.data = inside, .rows = x.rows, .cols = width, .stride = width}, out);
}

}  // namespace varve::nn
