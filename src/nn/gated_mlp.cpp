#include "nn/gated_mlp.h"

#include <fmt/format.h>

#include <array>

#include "nn/params.h"

namespace varve::nn {

GatedMlp::GatedMlp(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden), inner_norm_(params.inner_norm, params.inner) {
  params_.gate.check();
  if (params_.scales.empty()) return;
  require(params_.scales.size() == 2, "gated_mlp: scales must be those of the gate and of the result",
          "two numbers", fmt::format("{}", params_.scales.size()));
  gate_scale_ = params_.scales[0];
  output_scale_ = params_.scales[1];
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
  if (gate_scale_ != 1.0f)
    at.backend.axpby({.x = {.data = gate, .rows = x.rows, .cols = width, .stride = width},
                      .alpha = gate_scale_,
                      .beta = 0.0f,
                      .y = gate,
                      .y_stride = width});
  params_.gate.forward(at.backend, gate, up, x.rows, width);
  inner_norm_.forward(at.backend, gate, x.rows);
  // With a factor the result takes a detour; without, it goes where it belongs at once.
  const bool scaled = output_scale_ != 1.0f;
  const Into down = scaled ? Into{.y = at.work.floats(x.rows, hidden_), .stride = hidden_} : out;
  linear_into(at, down_, {.data = gate, .rows = x.rows, .cols = width, .stride = width}, down);
  if (scaled)
    at.backend.axpby({.x = {.data = down.y, .rows = x.rows, .cols = hidden_, .stride = hidden_},
                      .alpha = output_scale_,
                      .beta = out.accumulate ? 1.0f : 0.0f,
                      .y = out.y,
                      .y_stride = out.stride});
}

}  // namespace varve::nn
