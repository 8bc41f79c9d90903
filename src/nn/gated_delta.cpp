#include "nn/gated_delta.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "nn/params.h"

namespace varve::nn {

namespace {

constexpr float kLengthEps = 1e-6f;  // added to the square of a query's or key's length

}  // namespace

/// What the projections give, row by row.
struct GatedDelta::Rows {
  int64_t rows;
  float* mixed;  // [rows, channels]: q, k, v
  float* z;      // [rows, values]
  float* gates;  // [rows, 2 value_heads]: a, b
};

GatedDelta::GatedDelta(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden), conv_(channels(), params.conv_width) {
  const Params& p = params_;
  require(p.key_heads >= 1 && p.value_heads >= 1 && p.value_heads % p.key_heads == 0,
          "gated_delta: value heads must be a multiple of key heads", "value_heads % key_heads == 0",
          fmt::format("{} value heads, {} key heads", p.value_heads, p.key_heads));
  require(p.key_dim >= 1 && p.value_dim >= 1 && p.conv_width >= 1, "gated_delta: a width is zero",
          "key_dim, value_dim and conv_width of at least 1",
          fmt::format("{}, {} and {}", p.key_dim, p.value_dim, p.conv_width));
}

void GatedDelta::bind(Binder& binder) {
  const Scope scope(binder, "linear_attn");
  auto linear = [&](std::string_view name, int64_t out, Linear& into) {
    binder.linear(name, {.out = out, .in = hidden_, .bias = Presence::absent}, into);
  };
  linear("q_proj", keys(), q_);
  linear("k_proj", keys(), k_);
  linear("v_proj", values(), v_);
  linear("z_proj", values(), z_);
  linear("a_proj", params_.value_heads, a_);
  linear("b_proj", params_.value_heads, b_);
  conv_.bind(binder, "conv1d", Presence::absent);
  Vector a_log;
  binder.vector("A_log", params_.value_heads, Presence::required, a_log);
  binder.vector("dt_bias", params_.value_heads, Presence::required, offset_);
  binder.vector("norm.weight", params_.value_dim, Presence::required, norm_);
  binder.linear("out_proj", {.out = hidden_, .in = values(), .bias = Presence::absent}, out_);
  if (a_log.empty()) return;  // this binder loads nothing
  const auto key_dim = static_cast<size_t>(params_.key_dim);
  q_scale_.assign(key_dim, 1.0f / static_cast<float>(key_dim));
  k_scale_.assign(key_dim, 1.0f / std::sqrt(static_cast<float>(key_dim)));
  rate_.clear();
  for (const float x : a_log.values) rate_.push_back(static_cast<float>(-std::exp(double{x})));
}

ops::DeltaLayout GatedDelta::layout() const {
  return {.key_heads = params_.key_heads,
          .value_heads = params_.value_heads,
          .key_dim = params_.key_dim,
          .value_dim = params_.value_dim};
}

StateNeed GatedDelta::state(ops::Precision /*precision*/) const {
  const auto float_bytes = static_cast<int64_t>(sizeof(float));
  return {.page_bytes = 0, .slot_bytes = conv_.state_bytes() + layout().elements() * float_bytes};
}

void GatedDelta::project(Forward& at, const ops::Rows& x, const Rows& to) const {
  const int64_t heads = params_.value_heads;
  auto out = [](const Linear& linear, float* y, int64_t stride) {
    return ops::LinearOut{.weight = &linear.weight, .y = y, .y_stride = stride};
  };
  const std::array<ops::LinearOut, 6> outs{{
      out(q_, to.mixed, channels()),
      out(k_, to.mixed + keys(), channels()),
      out(v_, to.mixed + 2 * keys(), channels()),
      out(z_, to.z, values()),
      out(a_, to.gates, 2 * heads),
      out(b_, to.gates + heads, 2 * heads),
  }};
  at.backend.linear({.x = x, .outs = outs});
}

/// x / sqrt(sum of squares + eps) is an RMS norm with a weight of 1 / sqrt(key_dim).
void GatedDelta::normalise_queries_and_keys(Forward& at, const Rows& of) const {
  auto normalise = [&](float* x, const std::vector<float>& scale) {
    at.backend.rms_norm({.x = {.data = x, .rows = of.rows, .cols = keys(), .stride = channels()},
                         .weight = scale.data(),
                         .eps = kLengthEps / static_cast<float>(params_.key_dim),
                         .group = params_.key_dim,
                         .y = x,
                         .y_stride = channels()});
  };
  normalise(of.mixed, q_scale_);
  normalise(of.mixed + keys(), k_scale_);
}

void GatedDelta::scan(Forward& at, const Rows& of, float* y) const {
  at.backend.delta_scan({.slices = at.states_at(conv_.state_bytes()),
                         .layout = layout(),
                         .q = of.mixed,
                         .k = of.mixed + keys(),
                         .v = of.mixed + 2 * keys(),
                         .qkv_stride = channels(),
                         .a = of.gates,
                         .b = of.gates + params_.value_heads,
                         .gate_stride = 2 * params_.value_heads,
                         .rate = rate_.data(),
                         .offset = offset_.data(),
                         .y = y,
                         .y_stride = values()});
}

void GatedDelta::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows();
  float* unmixed = at.work.floats(rows, channels());
  Rows own{.rows = rows,
           .mixed = unmixed,
           .z = at.work.floats(rows, values()),
           .gates = at.work.floats(rows, 2 * params_.value_heads)};
  project(at, x, own);
  own.mixed = at.work.floats(rows, channels());
  conv_.forward(at, unmixed, own.mixed, 0);
  at.backend.gated({.gate = own.mixed,
                    .gate_stride = channels(),
                    .rows = rows,
                    .cols = channels(),
                    .activation = params_.activation,
                    .out = own.mixed,
                    .out_stride = channels()});
  normalise_queries_and_keys(at, own);
  float* y = at.work.floats(rows, values());
  scan(at, own, y);

  at.backend.rms_norm({.x = {.data = y, .rows = rows, .cols = values(), .stride = values()},
                       .weight = norm_.data(),
                       .eps = params_.eps,
                       .group = params_.value_dim,
                       .y = y,
                       .y_stride = values()});
  at.backend.gated({.gate = own.z,
                    .gate_stride = values(),
                    .up = y,
                    .up_stride = values(),
                    .rows = rows,
                    .cols = values(),
                    .activation = ops::Activation::silu,
                    .out = y,
                    .out_stride = values()});
  linear_into(at, out_, {.data = y, .rows = rows, .cols = values(), .stride = values()}, out);
}

}  // namespace varve::nn
