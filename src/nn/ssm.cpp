#include "nn/ssm.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>

#include "nn/params.h"

namespace varve::nn {

/// What the projections give, row by row.
struct Ssm::Rows {
  int64_t rows;
  float* z;     // [rows, inner]
  float* xbc;   // [rows, channels]
  float* step;  // [rows, heads]
};

Ssm::Ssm(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden), conv_(channels(), params.conv_width) {
  const Params& p = params_;
  require(p.heads >= 1 && p.groups >= 1 && p.heads % p.groups == 0, "ssm: the groups must divide the heads",
          "heads % groups == 0", fmt::format("{} heads, {} groups", p.heads, p.groups));
  require(p.head_dim >= 1 && p.state >= 1 && p.conv_width >= 1, "ssm: a width is zero",
          "head_dim, state and conv_width of at least 1",
          fmt::format("{}, {} and {}", p.head_dim, p.state, p.conv_width));
  require(p.dt_limit.empty() || (p.dt_limit.size() == 2 && p.dt_limit[0] <= p.dt_limit[1]),
          "ssm: dt_limit must be the least and the largest step",
          "two numbers, the first not above the second", fmt::format("{} numbers", p.dt_limit.size()));
  require(p.scales.empty() || p.scales.size() == 5, "ssm: scales must be those of z, x, B, C and the step",
          "five numbers", fmt::format("{}", p.scales.size()));
}

void Ssm::bind(Binder& binder) {
  const Scope scope(binder, "ssm");
  auto input = [&](std::string_view name, int64_t out, Linear& into) {
    binder.linear(name, {.out = out, .in = hidden_, .bias = presence_from(params_.bias)}, into);
  };
  input("z_proj", inner(), z_);
  input("xbc_proj", channels(), xbc_);
  input("dt_proj", params_.heads, dt_);
  conv_.bind(binder, "conv1d", presence_from(params_.conv_bias));
  Vector a_log;
  binder.vector("A_log", params_.heads, Presence::required, a_log);
  binder.vector("dt_bias", params_.heads, Presence::required, offset_);
  binder.vector("D", params_.heads, Presence::required, skip_);
  if (params_.norm != "none") binder.vector("norm.weight", inner(), Presence::required, norm_);
  binder.linear("out_proj", {.out = hidden_, .in = inner(), .bias = presence_from(params_.output_bias)},
                out_);
  rate_.clear();
  for (const float x : a_log.values) rate_.push_back(static_cast<float>(-std::exp(double{x})));
}

ops::DeltaLayout Ssm::layout() const {
  return {.key_heads = params_.groups,
          .value_heads = params_.heads,
          .key_dim = params_.state,
          .value_dim = params_.head_dim};
}

StateNeed Ssm::state(ops::Precision /*precision*/) const {
  const auto float_bytes = static_cast<int64_t>(sizeof(float));
  return {.page_bytes = 0, .slot_bytes = conv_.state_bytes() + layout().elements() * float_bytes};
}

void Ssm::project(Forward& at, const ops::Rows& x, const Rows& to) const {
  const std::array<ops::LinearOut, 3> outs{{
      {.weight = &z_.weight, .bias = z_.bias.data(), .y = to.z, .y_stride = inner()},
      {.weight = &xbc_.weight, .bias = xbc_.bias.data(), .y = to.xbc, .y_stride = channels()},
      {.weight = &dt_.weight, .bias = dt_.bias.data(), .y = to.step, .y_stride = params_.heads},
  }};
  at.backend.linear({.x = x, .outs = outs});
  if (params_.scales.empty()) return;
  auto scale = [&](float* part, int64_t cols, int64_t stride, float by) {
    at.backend.axpby({.x = {.data = part, .rows = to.rows, .cols = cols, .stride = stride},
                      .alpha = by,
                      .beta = 0.0f,
                      .y = part,
                      .y_stride = stride});
  };
  scale(to.z, inner(), inner(), params_.scales[0]);
  scale(to.xbc, inner(), channels(), params_.scales[1]);
  scale(to.xbc + inner(), group_state(), channels(), params_.scales[2]);
  scale(to.xbc + inner() + group_state(), group_state(), channels(), params_.scales[3]);
  scale(to.step, params_.heads, params_.heads, params_.scales[4]);
}

void Ssm::scan(Forward& at, const Rows& of, float* y) const {
  const bool limited = !params_.dt_limit.empty();
  at.backend.ssm_scan({.slices = at.states_at(conv_.state_bytes()),
                       .layout = layout(),
                       .x = of.xbc,
                       .b = of.xbc + inner(),
                       .c = of.xbc + inner() + group_state(),
                       .xbc_stride = channels(),
                       .step = of.step,
                       .step_stride = params_.heads,
                       .rate = rate_.data(),
                       .offset = offset_.data(),
                       .skip = skip_.data(),
                       .dt_min = limited ? params_.dt_limit[0] : 0.0f,
                       .dt_max = limited ? params_.dt_limit[1] : std::numeric_limits<float>::infinity(),
                       .y = y,
                       .y_stride = inner()});
}

/// Each group's channels by themselves, with weights of their own.
void Ssm::normalise(Forward& at, float* y, int64_t rows) const {
  const int64_t width = inner() / params_.groups;
  for (int64_t g = 0; g < params_.groups; ++g)
    at.backend.rms_norm({.x = {.data = y + g * width, .rows = rows, .cols = width, .stride = inner()},
                         .weight = norm_.data() + g * width,
                         .eps = params_.eps,
                         .y = y + g * width,
                         .y_stride = inner()});
}

void Ssm::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows();
  float* before = at.work.floats(rows, channels());
  Rows own{.rows = rows,
           .z = at.work.floats(rows, inner()),
           .xbc = before,
           .step = at.work.floats(rows, params_.heads)};
  project(at, x, own);
  own.xbc = at.work.floats(rows, channels());
  conv_.forward(at, before, own.xbc, 0);
  at.backend.gated({.gate = own.xbc,
                    .gate_stride = channels(),
                    .rows = rows,
                    .cols = channels(),
                    .activation = params_.activation,
                    .out = own.xbc,
                    .out_stride = channels()});
  float* y = at.work.floats(rows, inner());
  scan(at, own, y);

  if (params_.norm == "before_gate") normalise(at, y, rows);
  at.backend.gated({.gate = own.z,
                    .gate_stride = inner(),
                    .up = y,
                    .up_stride = inner(),
                    .rows = rows,
                    .cols = inner(),
                    .activation = ops::Activation::silu,
                    .out = y,
                    .out_stride = inner()});
  if (params_.norm == "after_gate") normalise(at, y, rows);
  linear_into(at, out_, {.data = y, .rows = rows, .cols = inner(), .stride = inner()}, out);
}

}  // namespace varve::nn
