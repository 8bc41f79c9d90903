#include "nn/gated_conv.h"

#include <fmt/format.h>

#include "nn/params.h"

namespace varve::nn {

GatedConv::GatedConv(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden), conv_(init.hidden, params.conv_width) {
  require(params_.conv_width >= 1, "gated_conv: the convolution must see a row", "conv_width of at least 1",
          fmt::format("{}", params_.conv_width));
}

void GatedConv::bind(Binder& binder) {
  const Scope scope(binder, "conv");
  const Presence bias = presence_from(params_.bias);
  binder.linear("in_proj", {.out = 3 * hidden_, .in = hidden_, .bias = bias}, in_);
  conv_.bind(binder, "conv1d", bias);
  binder.linear("out_proj", {.out = hidden_, .in = hidden_, .bias = bias}, out_);
}

StateNeed GatedConv::state(ops::Precision /*precision*/) const {
  return {.page_bytes = 0, .slot_bytes = conv_.state_bytes()};
}

void GatedConv::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = hidden_;
  float* parts = at.work.floats(rows, 3 * width);  // b, c, u
  const ops::LinearOut projection{
      .weight = &in_.weight, .bias = in_.bias.data(), .y = parts, .y_stride = 3 * width};
  at.backend.linear({.x = x, .outs = {&projection, 1}});
  auto multiply = [&](const float* gate, const float* by, int64_t by_stride, float* y) {
    at.backend.gated({.gate = gate,
                      .gate_stride = 3 * width,
                      .up = by,
                      .up_stride = by_stride,
                      .rows = rows,
                      .cols = width,
                      .activation = ops::Activation::identity,
                      .out = y,
                      .out_stride = width});
  };
  float* before = at.work.floats(rows, width);
  float* after = at.work.floats(rows, width);
  multiply(parts, parts + 2 * width, 3 * width, before);
  conv_.forward(at, before, after, 0);
  multiply(parts + width, after, width, after);
  linear_into(at, out_, {.data = after, .rows = rows, .cols = width, .stride = width}, out);
}

}  // namespace varve::nn
