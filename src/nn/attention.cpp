#include "nn/attention.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "core/error.h"
#include "nn/norm.h"
#include "nn/params.h"

namespace varve::nn {

Presence presence_from(std::string_view word) {
  if (word == "required") return Presence::required;
  return word == "absent" ? Presence::absent : Presence::optional;
}

namespace {

void refuse(std::string what, std::string expected, std::string found) {
  throw LoadError({.what = std::move(what),
                   .where = {},
                   .expected = std::move(expected),
                   .found = std::move(found),
                   .advice = {}});
}

}  // namespace

Attention::Attention(const Params& params, const BlockInit& init) : params_(params), hidden_(init.hidden) {
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

  if (params_.qk_norm != "none") {
    const bool per_head = params_.qk_norm == "head";
    auto make = [&](int64_t heads) {
      const BlockInit norm_init{.params = init.params,
                                .hidden = hidden_,
                                .columns = per_head ? params_.head_dim : heads * params_.head_dim};
      return std::make_unique<RmsNorm>(RmsNorm::Params{.eps = params_.qk_norm_eps}, norm_init);
    };
    q_norm_ = make(params_.heads);
    k_norm_ = make(params_.kv_heads);
  }
}

void Attention::bind(Binder& binder) {
  const Scope scope(binder, "self_attn");
  const int64_t q_out = params_.heads * params_.head_dim, kv_out = params_.kv_heads * params_.head_dim;
  const Presence bias = presence_from(params_.bias);
  binder.linear("q_proj", {.out = q_out, .in = hidden_, .bias = bias}, q_);
  binder.linear("k_proj", {.out = kv_out, .in = hidden_, .bias = bias}, k_);
  binder.linear("v_proj", {.out = kv_out, .in = hidden_, .bias = bias}, v_);
  binder.linear("o_proj", {.out = hidden_, .in = q_out, .bias = presence_from(params_.output_bias)}, o_);
  if (q_norm_) {
    q_norm_->bind(binder, "q_norm");
    k_norm_->bind(binder, "k_norm");
  }
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

void Attention::normalise_and_rotate(Forward& at, float* x, int64_t heads, const Norm* norm) const {
  const int64_t width = heads * params_.head_dim;
  if (norm)
    norm->forward(at.backend, {.data = x, .rows = at.rows(), .cols = width, .stride = width}, x, width);
  if (rope_ < 0) return;
  at.backend.rope({.x = x,
                   .rows = at.rows(),
                   .stride = width,
                   .heads = heads,
                   .head_dim = params_.head_dim,
                   .dims = rope_dims_,
                   .interleaved = rope_interleaved_,
                   .cos = at.ropes.cos(rope_),
                   .sin = at.ropes.sin(rope_)});
}

void Attention::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows();
  const int64_t q_width = params_.heads * params_.head_dim, kv_width = params_.kv_heads * params_.head_dim;
  float* q = at.work.floats(rows, q_width);         // [rows, heads, head_dim]
  float* k = at.work.floats(rows, kv_width);        // [rows, kv_heads, head_dim]
  float* v = at.work.floats(rows, kv_width);        // [rows, kv_heads, head_dim]
  float* attended = at.work.floats(rows, q_width);  // [rows, heads, head_dim]

  const std::array<ops::LinearOut, 3> projections{{
      {.weight = &q_.weight, .bias = q_.bias.data(), .y = q, .y_stride = q_width},
      {.weight = &k_.weight, .bias = k_.bias.data(), .y = k, .y_stride = kv_width},
      {.weight = &v_.weight, .bias = v_.bias.data(), .y = v, .y_stride = kv_width},
  }};
  at.backend.linear({.x = x, .outs = projections});
  normalise_and_rotate(at, q, params_.heads, q_norm_.get());
  normalise_and_rotate(at, k, params_.kv_heads, k_norm_.get());

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
                        .softcap = params_.softcap,
                        .sinks = sinks_.data(),
                        .out = attended,
                        .out_stride = q_width});
  const ops::LinearOut output{.weight = &o_.weight,
                              .bias = o_.bias.data(),
                              .y = out.y,
                              .y_stride = out.stride,
                              .accumulate = out.accumulate};
  at.backend.linear(
      {.x = {.data = attended, .rows = rows, .cols = q_width, .stride = q_width}, .outs = {&output, 1}});
}

}  // namespace varve::nn
