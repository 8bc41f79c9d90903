#include "nn/rg_lru.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "nn/head_linear.h"
#include "nn/params.h"

namespace varve::nn {

namespace {

/// How strong the gate is: the exponent of the recurrence is -8 softplus(param) sigmoid(gate).
constexpr double kStrength = 8.0;

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace

RgLru::RgLru(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden), conv_(params.width, params.conv_width) {
  const Params& p = params_;
  require(p.heads >= 1 && p.width >= 1 && p.width % p.heads == 0 && p.conv_width >= 1,
          "rg_lru: the heads must divide the width, and the convolution see a row",
          "width % heads == 0, conv_width of at least 1",
          fmt::format("width {}, {} heads, conv_width {}", p.width, p.heads, p.conv_width));
}

void RgLru::bind(Binder& binder) {
  const Scope scope(binder, "rg_lru");
  const int64_t width = params_.width, head = head_width();
  binder.linear("x_proj", {.out = width, .in = hidden_, .bias = Presence::required}, x_);
  binder.linear("y_proj", {.out = width, .in = hidden_, .bias = Presence::required}, y_);
  conv_.bind(binder, "conv1d", Presence::required);
  const Binder::LinearShape gate{.out = head, .in = head, .bias = Presence::required};
  binder.experts("input_gate", params_.heads, gate, input_);
  binder.experts("recurrent_gate", params_.heads, gate, recurrent_);
  Vector param;
  binder.vector("recurrent_param", width, Presence::required, param);
  binder.linear("out_proj", {.out = hidden_, .in = width, .bias = Presence::required}, out_);
  rate_.clear();
  for (const float x : param.values) rate_.push_back(static_cast<float>(-kStrength * softplus(double{x})));
}

StateNeed RgLru::state(ops::Precision /*precision*/) const {
  const auto float_bytes = static_cast<int64_t>(sizeof(float));
  return {.page_bytes = 0, .slot_bytes = conv_.state_bytes() + params_.width * float_bytes};
}

void RgLru::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = params_.width;
  float* before = at.work.floats(rows, width);
  float* branch = at.work.floats(rows, width);
  const std::array<ops::LinearOut, 2> projections{{
      {.weight = &x_.weight, .bias = x_.bias.data(), .y = before, .y_stride = width},
      {.weight = &y_.weight, .bias = y_.bias.data(), .y = branch, .y_stride = width},
  }};
  at.backend.linear({.x = x, .outs = projections});
  float* u = at.work.floats(rows, width);
  conv_.forward(at, before, u, 0);

  float* input = before;  // used up
  float* recurrent = at.work.floats(rows, width);
  const std::array<HeadsOut, 2> gates{{{&input_, input}, {&recurrent_, recurrent}}};
  head_linear(at, {.data = u, .rows = rows * params_.heads, .cols = head_width(), .stride = head_width()},
              gates, head_width());
  at.backend.rg_lru_scan({.slices = at.states_at(conv_.state_bytes()),
                          .cols = width,
                          .x = u,
                          .x_stride = width,
                          .input_gate = input,
                          .recurrent_gate = recurrent,
                          .gate_stride = width,
                          .rate = rate_.data(),
                          .y = u,
                          .y_stride = width});
  at.backend.gated({.gate = branch,
                    .gate_stride = width,
                    .up = u,
                    .up_stride = width,
                    .rows = rows,
                    .cols = width,
                    .activation = params_.activation,
                    .out = u,
                    .out_stride = width});
  linear_into(at, out_, {.data = u, .rows = rows, .cols = width, .stride = width}, out);
}

}  // namespace varve::nn
