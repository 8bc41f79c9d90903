#include "nn/layers.h"

#include <fmt/format.h>

#include "nn/params.h"

namespace varve::nn {

namespace {

/// A part that a layer has no place for is a mistake of the family file, not something to leave out in
/// silence.
LayerParts without_beside(LayerParts parts, std::string_view layer) {
  require(!parts.beside, fmt::format("{}: the family names a second mixer, and this layer has one", layer),
          "[layer] layer = \"two_mixers\", or no `beside`", "a mixer `beside`");
  return parts;
}

LayerParts mixer_alone(LayerParts parts, std::string_view layer) {
  require(parts.ffn->is_nothing(),
          fmt::format("{}: the family names a feed-forward, and this layer has none", layer),
          "[layer] ffn = \"none\"", "another block");
  return without_beside(std::move(parts), layer);
}

}  // namespace

PreNorm::PreNorm(const Params& params, LayerParts parts)
    : params_(params),
      parts_(without_beside(std::move(parts), "pre_norm")),
      mixer_norm_(parts_.norm()),
      ffn_norm_(parts_.norm()) {}

void PreNorm::bind(Binder& binder) {
  mixer_norm_->bind(binder, "input_layernorm");
  parts_.mixer->bind(binder);
  ffn_norm_->bind(binder, "post_attention_layernorm");
  parts_.ffn->bind(binder);
}

void PreNorm::forward(Forward& at, float* x) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = parts_.hidden;
  const ops::Rows stream{.data = x, .rows = rows, .cols = width, .stride = width};
  float* normed = at.work.floats(rows, width);
  const ops::Rows in{.data = normed, .rows = rows, .cols = width, .stride = width};

  // With a factor the result takes a detour; without, it is added where it is computed.
  const bool scaled = params_.residual_scale != 1.0f;
  float* part = scaled ? at.work.floats(rows, width) : x;
  const Into out{.y = part, .stride = width, .accumulate = !scaled};
  auto add = [&] {
    if (scaled)
      at.backend.axpby({.x = {.data = part, .rows = rows, .cols = width, .stride = width},
                        .alpha = params_.residual_scale,
                        .y = x,
                        .y_stride = width});
  };

  mixer_norm_->forward(at.backend, stream, normed, width);
  parts_.mixer->forward(at, in, out);
  add();
  ffn_norm_->forward(at.backend, stream, normed, width);
  parts_.ffn->forward(at, in, out);
  add();
}

SandwichNorm::SandwichNorm(const Params& /*params*/, LayerParts parts)
    : parts_(without_beside(std::move(parts), "sandwich_norm")),
      mixer_in_(parts_.norm()),
      mixer_out_(parts_.norm()),
      ffn_in_(parts_.norm()),
      ffn_out_(parts_.norm()) {}

void SandwichNorm::bind(Binder& binder) {
  mixer_in_->bind(binder, "input_layernorm");
  parts_.mixer->bind(binder);
  mixer_out_->bind(binder, "post_attention_layernorm");
  ffn_in_->bind(binder, "pre_feedforward_layernorm");
  parts_.ffn->bind(binder);
  ffn_out_->bind(binder, "post_feedforward_layernorm");
}

void SandwichNorm::forward(Forward& at, float* x) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = parts_.hidden;
  const ops::Rows stream{.data = x, .rows = rows, .cols = width, .stride = width};
  float* normed = at.work.floats(rows, width);
  float* part = at.work.floats(rows, width);
  const ops::Rows in{.data = normed, .rows = rows, .cols = width, .stride = width};
  const ops::Rows result{.data = part, .rows = rows, .cols = width, .stride = width};
  const Into out{.y = part, .stride = width, .accumulate = false};
  auto normalise_and_add = [&](const Norm& norm) {
    norm.forward(at.backend, result, normed, width);
    at.backend.axpby({.x = in, .y = x, .y_stride = width});
  };

  mixer_in_->forward(at.backend, stream, normed, width);
  parts_.mixer->forward(at, in, out);
  normalise_and_add(*mixer_out_);
  ffn_in_->forward(at.backend, stream, normed, width);
  parts_.ffn->forward(at, in, out);
  normalise_and_add(*ffn_out_);
}

PostNorm::PostNorm(const Params& /*params*/, LayerParts parts)
    : parts_(without_beside(std::move(parts), "post_norm")),
      mixer_norm_(parts_.norm()),
      ffn_norm_(parts_.norm()) {}

void PostNorm::bind(Binder& binder) {
  parts_.mixer->bind(binder);
  mixer_norm_->bind(binder, "post_attention_layernorm");
  parts_.ffn->bind(binder);
  ffn_norm_->bind(binder, "post_feedforward_layernorm");
}

void PostNorm::forward(Forward& at, float* x) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = parts_.hidden;
  float* part = at.work.floats(rows, width);
  const ops::Rows stream{.data = x, .rows = rows, .cols = width, .stride = width};
  const ops::Rows result{.data = part, .rows = rows, .cols = width, .stride = width};
  const Into out{.y = part, .stride = width, .accumulate = false};
  auto normalise_and_add = [&](const Norm& norm) {
    norm.forward(at.backend, result, part, width);
    at.backend.axpby({.x = result, .y = x, .y_stride = width});
  };

  parts_.mixer->forward(at, stream, out);
  normalise_and_add(*mixer_norm_);
  parts_.ffn->forward(at, stream, out);
  normalise_and_add(*ffn_norm_);
}

Parallel::Parallel(const Params& params, LayerParts parts)
    : parts_(without_beside(std::move(parts), "parallel")),
      mixer_norm_(parts_.norm()),
      ffn_norm_(params.norms == "two" ? parts_.norm() : nullptr) {}

void Parallel::bind(Binder& binder) {
  mixer_norm_->bind(binder, "input_layernorm");
  parts_.mixer->bind(binder);
  if (ffn_norm_) ffn_norm_->bind(binder, "post_attention_layernorm");
  parts_.ffn->bind(binder);
}

void Parallel::forward(Forward& at, float* x) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = parts_.hidden;
  const ops::Rows stream{.data = x, .rows = rows, .cols = width, .stride = width};
  auto normed = [&](const Norm& norm) {
    float* y = at.work.floats(rows, width);
    norm.forward(at.backend, stream, y, width);
    return ops::Rows{.data = y, .rows = rows, .cols = width, .stride = width};
  };
  const ops::Rows for_mixer = normed(*mixer_norm_);
  const ops::Rows for_ffn = ffn_norm_ ? normed(*ffn_norm_) : for_mixer;
  const Into out{.y = x, .stride = width, .accumulate = true};
  parts_.mixer->forward(at, for_mixer, out);
  parts_.ffn->forward(at, for_ffn, out);
}

MixerOnly::MixerOnly(const Params& /*params*/, LayerParts parts)
    : parts_(mixer_alone(std::move(parts), "mixer_only")), norm_(parts_.norm()) {}

void MixerOnly::bind(Binder& binder) {
  norm_->bind(binder, "input_layernorm");
  parts_.mixer->bind(binder);
}

void MixerOnly::forward(Forward& at, float* x) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = parts_.hidden;
  float* normed = at.work.floats(rows, width);
  norm_->forward(at.backend, {.data = x, .rows = rows, .cols = width, .stride = width}, normed, width);
  parts_.mixer->forward(at, {.data = normed, .rows = rows, .cols = width, .stride = width},
                        {.y = x, .stride = width, .accumulate = true});
}

TwoMixers::TwoMixers(const Params& params, LayerParts parts)
    : params_(params), parts_(std::move(parts)), mixer_norm_(parts_.norm()), ffn_norm_(parts_.norm()) {
  require(parts_.beside != nullptr, "two_mixers: the family does not say the second mixer",
          "[layer] beside = the name of a mixer", "none");
}

void TwoMixers::bind(Binder& binder) {
  mixer_norm_->bind(binder, "input_layernorm");
  parts_.mixer->bind(binder);
  parts_.beside->bind(binder);
  ffn_norm_->bind(binder, "post_attention_layernorm");
  parts_.ffn->bind(binder);
}

/// One mixer remembers in pages and the other in the slot: neither's part has an offset.
StateNeed TwoMixers::state(ops::Precision precision) const {
  const StateNeed a = parts_.mixer->state(precision), b = parts_.beside->state(precision);
  const bool apart = (a.page_bytes == 0 || b.page_bytes == 0) && (a.slot_bytes == 0 || b.slot_bytes == 0);
  require(apart, "two_mixers: both mixers remember in the same place",
          "one that remembers in pages, such as attention, and one that keeps a state",
          fmt::format("{} and {} bytes of a page, {} and {} of state", a.page_bytes, b.page_bytes,
                      a.slot_bytes, b.slot_bytes));
  return {.page_bytes = a.page_bytes + b.page_bytes, .slot_bytes = a.slot_bytes + b.slot_bytes};
}

/// x += out * mixer(in * normed)
void TwoMixers::add_scaled(Forward& at, const Mixer& mixer, const ops::Rows& normed, float in, float out,
                           float* x) const {
  const Workspace::Frame frame(at.work);
  const int64_t width = parts_.hidden;
  ops::Rows given = normed;
  if (in != 1.0f) {
    float* scaled = at.work.floats(normed.rows, width);
    at.backend.axpby({.x = normed, .alpha = in, .beta = 0.0f, .y = scaled, .y_stride = width});
    given.data = scaled;
  }
  if (out == 1.0f) return mixer.forward(at, given, {.y = x, .stride = width, .accumulate = true});
  float* part = at.work.floats(normed.rows, width);
  mixer.forward(at, given, {.y = part, .stride = width});
  at.backend.axpby({.x = {.data = part, .rows = normed.rows, .cols = width, .stride = width},
                    .alpha = out,
                    .y = x,
                    .y_stride = width});
}

void TwoMixers::forward(Forward& at, float* x) const {
  const Workspace::Frame frame(at.work);
  const int64_t rows = at.rows(), width = parts_.hidden;
  const ops::Rows stream{.data = x, .rows = rows, .cols = width, .stride = width};
  float* normed = at.work.floats(rows, width);
  const ops::Rows in{.data = normed, .rows = rows, .cols = width, .stride = width};
  mixer_norm_->forward(at.backend, stream, normed, width);
  add_scaled(at, *parts_.mixer, in, params_.mixer_in, params_.mixer_out, x);
  add_scaled(at, *parts_.beside, in, params_.beside_in, params_.beside_out, x);
  ffn_norm_->forward(at.backend, stream, normed, width);
  parts_.ffn->forward(at, in, {.y = x, .stride = width, .accumulate = true});
}

}  // namespace varve::nn
