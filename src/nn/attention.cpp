#include "nn/attention.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "core/error.h"
#include "nn/params.h"

namespace varve::nn {

namespace {

void refuse(std::string what, std::string expected, std::string found) {
  throw LoadError({.what = std::move(what),
                   .where = {},
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = {}});
}

/// 2^(-8/n), 2^(-16/n) ... for n heads, n being a power of two; for others those of the power below, then
/// every other one of the power above (Press et al. 2022).
std::vector<float> alibi_slopes(int64_t heads, float scale) {
  int64_t power = 1;
  while (power * 2 <= heads) power *= 2;
  std::vector<float> slopes;
  for (int64_t i = 0; i < heads; ++i) {
    const bool beyond = i >= power;
    const double step = 8.0 / static_cast<double>(beyond ? 2 * power : power);
    const double place = static_cast<double>(beyond ? 2 * (i - power) + 1 : i + 1);
    slopes.push_back(static_cast<float>(std::exp2(-step * place)) * scale);
  }
  return slopes;
}

}  // namespace

Attention::Attention(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden), inner_norm_(params.inner_norm, params.heads * params.head_dim) {
  if (params_.heads < 1 || params_.kv_heads < 1 || params_.heads % params_.kv_heads != 0)
    refuse("attention: heads must be a multiple of KV heads", "heads % kv_heads == 0",
           fmt::format("{} heads, {} KV heads", params_.heads, params_.kv_heads));
  if (params_.head_dim < 2 || params_.head_dim % 2 != 0)
    refuse("attention: the head dim must be even", "2, 4, 6 ...", fmt::format("{}", params_.head_dim));
  if (params_.scale == 0.0f) params_.scale = 1.0f / std::sqrt(static_cast<float>(params_.head_dim));

  const RopeParams rope = read_params<RopeParams>(params_.rope, "rope");
  rope_dims_ = rope.dims == 0 ? params_.head_dim : rope.dims;
  if (rope_dims_ > params_.head_dim || rope_dims_ % 2 != 0)
    refuse("attention: rope dims must be even and at most the head dim",
           fmt::format("up to {}", params_.head_dim), fmt::format("{}", rope_dims_));
  rope_interleaved_ = rope.interleaved;
  rope_ = init.ropes->add(rope, rope_dims_);

  if (params_.qk_norm.over != "none") {
    q_norm_.emplace(params_.qk_norm, params_.heads, params_.head_dim);
    k_norm_.emplace(params_.qk_norm, params_.kv_heads, params_.head_dim);
  }
  if (params_.alibi != "none")
    slopes_ = alibi_slopes(params_.heads, params_.alibi == "scaled" ? params_.scale : 1.0f);
  if (params_.temperature != 0.0f && params_.temperature_span < 1)
    refuse("attention: a temperature by position needs its span", "temperature_span of at least 1", "0");
}

void Attention::bind(Binder& binder) {
  const Scope scope(binder, "self_attn");
  const int64_t q_out = params_.heads * params_.head_dim, kv_out = params_.kv_heads * params_.head_dim;
  const Presence bias = presence_from(params_.bias);
  binder.linear("q_proj", {.out = q_out, .in = hidden_, .bias = bias}, q_);
  binder.linear("k_proj", {.out = kv_out, .in = hidden_, .bias = bias}, k_);
  binder.linear("v_proj", {.out = kv_out, .in = hidden_, .bias = bias}, v_);
  if (params_.gate != "none") binder.linear("gate_proj", {.out = q_out, .in = hidden_, .bias = bias}, gate_);
  binder.linear("o_proj", {.out = hidden_, .in = q_out, .bias = presence_from(params_.output_bias)}, o_);
  if (q_norm_) {
    q_norm_->bind(binder, "q_norm");
    k_norm_->bind(binder, "k_norm");
  }
  inner_norm_.bind(binder);
  if (params_.sinks) binder.vector("sinks", params_.heads, Presence::required, sinks_);
}

ops::KvLayout Attention::layout(ops::Precision precision) const {
  return {.kv_heads = params_.kv_heads,
          .head_dim = params_.head_dim,
          .value_dim = params_.head_dim,
          .element = precision == ops::Precision::exact ? 4 : 2};
}

StateNeed Attention::state(ops::Precision precision) const {
  return {.page_bytes = layout(precision).page_bytes(), .slot_bytes = 0};
}

void Attention::rotate(Forward& at, float* x, int64_t heads) const {
  at.backend.rope({.x = x,
                   .rows = at.rows(),
                   .stride = heads * params_.head_dim,
                   .heads = heads,
                   .head_dim = params_.head_dim,
                   .dims = rope_dims_,
                   .interleaved = rope_interleaved_,
                   .cos = at.ropes.cos(rope_),
                   .sin = at.ropes.sin(rope_)});
}

void Attention::normalise_and_rotate(Forward& at, float* q, float* k) const {
  const bool first = params_.qk_norm.at == "before_rope";
  auto normalise = [&] {
    if (!q_norm_) return;
    q_norm_->forward(at.backend, q, at.rows());
    k_norm_->forward(at.backend, k, at.rows());
  };
  if (first) normalise();
  if (rope_ >= 0) {
    rotate(at, q, params_.heads);
    rotate(at, k, params_.kv_heads);
  }
  if (!first) normalise();
}

/// The temperature by position (Nakanishi 2025, "Scalable-Softmax", as later long-context models take it).
void Attention::warm(Forward& at, float* q) const {
  const int64_t width = params_.heads * params_.head_dim;
  for (const ops::KvSlice& slice : at.kv)
    for (int32_t r = 0; r < slice.count; ++r) {
      const int64_t spans = (int64_t{slice.position} + r + 1) / params_.temperature_span;
      if (spans == 0) continue;
      float* row = q + (slice.begin + r) * width;
      at.backend.axpby({.x = {.data = row, .rows = 1, .cols = width, .stride = width},
                        .alpha = 1.0f + params_.temperature * std::log1p(static_cast<float>(spans)),
                        .beta = 0.0f,
                        .y = row,
                        .y_stride = width});
    }
}

/// attended *= sigmoid(gate), both [rows, heads, head_dim].
void Attention::open_gate(Forward& at, float* gate, float* attended) const {
  const int64_t width = params_.heads * params_.head_dim;
  at.backend.gated({.gate = gate,
                    .gate_stride = width,
                    .up = attended,
                    .up_stride = width,
                    .rows = at.rows(),
                    .cols = width,
                    .activation = ops::Activation::sigmoid,
                    .out = attended,
                    .out_stride = width});
}

void Attention::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows();
  const int64_t q_width = params_.heads * params_.head_dim, kv_width = params_.kv_heads * params_.head_dim;
  float* q = at.work.floats(rows, q_width);         // [rows, heads, head_dim]
  float* k = at.work.floats(rows, kv_width);        // [rows, kv_heads, head_dim]
  float* v = at.work.floats(rows, kv_width);        // [rows, kv_heads, head_dim]
  float* attended = at.work.floats(rows, q_width);  // [rows, heads, head_dim]

  const bool gated = params_.gate != "none";
  float* gate = gated ? at.work.floats(rows, q_width) : nullptr;  // [rows, heads, head_dim]
  const std::array<ops::LinearOut, 4> projections{{
      {.weight = &q_.weight, .bias = q_.bias.data(), .y = q, .y_stride = q_width},
      {.weight = &k_.weight, .bias = k_.bias.data(), .y = k, .y_stride = kv_width},
      {.weight = &v_.weight, .bias = v_.bias.data(), .y = v, .y_stride = kv_width},
      {.weight = &gate_.weight, .bias = gate_.bias.data(), .y = gate, .y_stride = q_width},
  }};
  at.backend.linear({.x = x, .outs = std::span(projections).first(gated ? 4 : 3)});
  normalise_and_rotate(at, q, k);
  if (params_.temperature != 0.0f) warm(at, q);

  const ops::KvLayout layout_here = layout(at.precision);
  at.backend.kv_append(
      {.layout = layout_here, .slices = at.kv, .k = k, .k_stride = kv_width, .v = v, .v_stride = kv_width});
  at.backend.attention({.layout = layout_here,
                        .slices = at.kv,
                        .q = q,
                        .q_stride = q_width,
                        .heads = params_.heads,
                        .scale = params_.scale,
                        .window = params_.window,
                        .chunk = params_.chunk,
                        .softcap = params_.softcap,
                        .slopes = slopes_.empty() ? nullptr : slopes_.data(),
                        .sinks = sinks_.data(),
                        .out = attended,
                        .out_stride = q_width});
  if (gated) open_gate(at, gate, attended);
  inner_norm_.forward(at.backend, attended, rows);
  linear_into(at, o_, {.data = attended, .rows = rows, .cols = q_width, .stride = q_width}, out);
}

}  // namespace varve::nn
