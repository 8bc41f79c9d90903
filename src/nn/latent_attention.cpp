#include "nn/latent_attention.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "nn/head_linear.h"
#include "nn/params.h"

namespace varve::nn {

namespace {

void need(bool holds, std::string_view what, std::string expected, std::string found) {
  require(holds, fmt::format("latent_attention: {}", what), std::move(expected), std::move(found));
}

}  // namespace

LatentAttention::LatentAttention(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden) {
  const Params& p = params_;
  need(p.heads >= 1 && p.plain_dim >= 1 && p.value_dim >= 1, "a width is missing", "at least 1 of each",
       fmt::format("{} heads, plain_dim {}, value_dim {}", p.heads, p.plain_dim, p.value_dim));
  need(p.latent >= 2 && p.latent % 2 == 0, "the latent's width must be even", "2, 4, 6 ...",
       fmt::format("{}", p.latent));
  need(p.rotary_dim >= 2 && p.rotary_dim % 2 == 0, "the rotary part's width must be even", "2, 4, 6 ...",
       fmt::format("{}", p.rotary_dim));
  const RopeParams rope = read_params<RopeParams>(p.rope, "rope");
  need(rope.dims == 0 || rope.dims == p.rotary_dim, "rope dims other than the rotary part",
       fmt::format("{}", p.rotary_dim), fmt::format("{}", rope.dims));
  interleaved_ = rope.interleaved;
  rope_ = init.ropes->add(rope, p.rotary_dim);
  if (p.scale == 0.0f)
    params_.scale = rope_score_factor(rope) / std::sqrt(static_cast<float>(p.plain_dim + p.rotary_dim));
}

void LatentAttention::bind(Binder& binder) {
  const Scope scope(binder, "self_attn");
  const Params& p = params_;
  const Presence bias = presence_from(p.bias);
  if (p.query_latent > 0) {
    binder.linear("q_a_proj", {.out = p.query_latent, .in = hidden_, .bias = bias}, q_a_);
    binder.vector("q_a_layernorm.weight", p.query_latent, Presence::required, q_norm_);
    binder.linear("q_b_proj", {.out = query_width(), .in = p.query_latent, .bias = Presence::absent}, q_);
  } else {
    binder.linear("q_proj", {.out = query_width(), .in = hidden_, .bias = Presence::absent}, q_);
  }
  binder.linear("kv_a_proj_with_mqa", {.out = key_width(), .in = hidden_, .bias = bias}, kv_a_);
  binder.vector("kv_a_layernorm.weight", p.latent, Presence::required, kv_norm_);
  binder.experts("embed_q", p.heads, {.out = p.latent, .in = p.plain_dim, .bias = Presence::absent},
                 embed_q_);
  binder.experts("unembed_out", p.heads, {.out = p.value_dim, .in = p.latent, .bias = Presence::absent},
                 unembed_);
  binder.linear("o_proj", {.out = hidden_, .in = p.heads * p.value_dim, .bias = presence_from(p.output_bias)},
                o_);
}

ops::KvLayout LatentAttention::layout(ops::Precision precision) const {
  return {.kv_heads = 1,
          .head_dim = key_width(),
          .value_dim = params_.latent,
          .element = precision == ops::Precision::exact ? 4 : 2};
}

StateNeed LatentAttention::state(ops::Precision precision) const {
  return {.page_bytes = layout(precision).page_bytes(), .slot_bytes = 0};
}

/// Queries [rows, heads, plain | rotary] and keys [rows, latent | rotary], the latent normalised.
void LatentAttention::project(Forward& at, const ops::Rows& x, float* q, float* key) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = params_.query_latent;
  const bool direct = width == 0;
  float* low = at.work.floats(rows, width);
  const std::array<ops::LinearOut, 2> first{{
      {.weight = &kv_a_.weight, .bias = kv_a_.bias.data(), .y = key, .y_stride = key_width()},
      {.weight = direct ? &q_.weight : &q_a_.weight,
       .bias = q_a_.bias.data(),
       .y = direct ? q : low,
       .y_stride = direct ? query_width() : width},
  }};
  at.backend.linear({.x = x, .outs = first});
  at.backend.rms_norm({.x = {.data = key, .rows = rows, .cols = params_.latent, .stride = key_width()},
                       .weight = kv_norm_.data(),
                       .eps = params_.norm_eps,
                       .y = key,
                       .y_stride = key_width()});
  if (direct) return;
  const ops::Rows latent{.data = low, .rows = rows, .cols = width, .stride = width};
  at.backend.rms_norm(
      {.x = latent, .weight = q_norm_.data(), .eps = params_.norm_eps, .y = low, .y_stride = width});
  const ops::LinearOut second{.weight = &q_.weight, .y = q, .y_stride = query_width()};
  at.backend.linear({.x = latent, .outs = {&second, 1}});
}

void LatentAttention::rotate(Forward& at, float* q, float* key) const {
  if (rope_ < 0) return;
  ops::RopeArgs args{.x = q + params_.plain_dim,
                     .rows = at.rows(),
                     .stride = query_width(),
                     .heads = params_.heads,
                     .head_dim = params_.plain_dim + params_.rotary_dim,
                     .dims = params_.rotary_dim,
                     .interleaved = interleaved_,
                     .cos = at.ropes.cos(rope_),
                     .sin = at.ropes.sin(rope_)};
  at.backend.rope(args);
  args.x = key + params_.latent;
  args.stride = args.head_dim = key_width();
  args.heads = 1;
  at.backend.rope(args);
}

void LatentAttention::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const Params& p = params_;
  const int64_t rows = at.rows(), of_heads = rows * p.heads, head = p.plain_dim + p.rotary_dim;
  float* q = at.work.floats(rows, query_width());         // [rows, heads, plain | rotary]
  float* key = at.work.floats(rows, key_width());         // [rows, latent | rotary]
  float* query = at.work.floats(of_heads, key_width());   // [rows, heads, latent | rotary]
  float* attended = at.work.floats(of_heads, p.latent);   // [rows, heads, latent]
  float* values = at.work.floats(of_heads, p.value_dim);  // [rows, heads, value]
  project(at, x, q, key);
  rotate(at, q, key);
  const HeadsOut embedded{.matrices = &embed_q_, .y = query};
  head_linear(at, {.data = q, .rows = of_heads, .cols = p.plain_dim, .stride = head}, {&embedded, 1},
              key_width());
  at.backend.axpby({.x = {.data = q + p.plain_dim, .rows = of_heads, .cols = p.rotary_dim, .stride = head},
                    .beta = 0.0f,
                    .y = query + p.latent,
                    .y_stride = key_width()});

  const ops::KvLayout layout_here = layout(at.precision);
  at.backend.kv_append({.layout = layout_here,
                        .slices = at.kv,
                        .k = key,
                        .k_stride = key_width(),
                        .v = key,
                        .v_stride = key_width()});
  at.backend.attention({.layout = layout_here,
                        .slices = at.kv,
                        .q = query,
                        .q_stride = p.heads * key_width(),
                        .heads = p.heads,
                        .scale = p.scale,
                        .out = attended,
                        .out_stride = p.heads * p.latent});
  const HeadsOut unembedded{.matrices = &unembed_, .y = values};
  head_linear(at, {.data = attended, .rows = of_heads, .cols = p.latent, .stride = p.latent},
              {&unembedded, 1}, p.value_dim);
  const int64_t width = p.heads * p.value_dim;
  linear_into(at, o_, {.data = values, .rows = rows, .cols = width, .stride = width}, out);
}

}  // namespace varve::nn
