#include "nn/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "nn/block.h"
#include "nn/loader.h"
#include "nn/rope.h"

namespace varve::nn {

namespace {

/// The blocks of a model and the order they are bound and run in.
class Decoder final : public Model {
 public:
  explicit Decoder(const ModelSpec& spec);
  void bind(Binder& binder);
  void settle(ops::Precision precision);

  const ModelSpec& spec() const override { return spec_; }
  const StateLayout& state() const override { return state_; }
  int64_t position_class(int64_t limit) const override { return ropes_.position_class(limit); }
  void forward(const Step& step, ops::Backend& backend, const Output& output) override;

 private:
  void enter_layer(const Step& step, size_t layer);
  void embed(const Step& step, ops::Backend& backend, float* x);
  void head(const Step& step, ops::Backend& backend, const float* x, float* logits);

  ModelSpec spec_;
  ops::Precision precision_ = ops::Precision::fast;
  RopeTables ropes_;
  Linear embedding_;  // [vocab, hidden]
  Linear positions_;  // [learned_positions, hidden]; empty when there are none
  Linear lm_head_;    // [vocab, hidden]; of a tied head the bias alone
  std::vector<std::unique_ptr<Layer>> layers_;
  std::unique_ptr<Norm> final_norm_;
  StateLayout state_;
  std::vector<int64_t> page_offsets_, slot_offsets_;  // of each layer
  Workspace work_;
  std::vector<ops::KvSlice> kv_;                 // of the layer being computed
  std::vector<std::vector<std::byte*>> tables_;  // its page pointers, per slice
  std::vector<ops::StateSlice> states_;          // of the layer being computed
};

Decoder::Decoder(const ModelSpec& spec) : spec_(spec) {
  if (spec_.learned_positions > 0 &&
      (spec_.max_positions < 1 || spec_.max_positions > spec_.learned_positions))
    throw LoadError({.what = "a model of learned positions must stay within them",
                     .where = {},
                     .expected = fmt::format("a context of 1 to {}", spec_.learned_positions),
                     .found = fmt::format("{}", spec_.max_positions),
                     .advice = {}});
  for (const LayerSpec& layer : spec_.layers) layers_.push_back(make_layer(layer, spec_.hidden, ropes_));
  final_norm_ = make_norm(
      spec_.final_norm, {.params = spec_.final_norm.params, .hidden = spec_.hidden, .columns = spec_.hidden});
}

void Decoder::bind(Binder& binder) {
  {
    const Scope model(binder, "model");
    binder.linear("embed_tokens", {.out = spec_.vocab, .in = spec_.hidden, .bias = Presence::absent},
                  embedding_);
    if (spec_.learned_positions > 0)
      binder.linear("embed_positions",
                    {.out = spec_.learned_positions, .in = spec_.hidden, .bias = Presence::absent},
                    positions_);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Scope layer(binder, fmt::format("layers.{}", i));
      layers_[i]->bind(binder);
    }
    final_norm_->bind(binder, "norm");
  }
  if (spec_.tied)
    binder.vector("lm_head.bias", spec_.vocab, Presence::optional, lm_head_.bias);
  else
    binder.linear("lm_head", {.out = spec_.vocab, .in = spec_.hidden}, lm_head_);
}

void Decoder::settle(ops::Precision precision) {
  precision_ = precision;
  for (const auto& layer : layers_) {
    const StateNeed need = layer->state(precision);
    page_offsets_.push_back(state_.page_bytes);
    slot_offsets_.push_back(state_.slot_bytes);
    state_.page_bytes += need.page_bytes;
    state_.slot_bytes += need.slot_bytes;
  }
}

void Decoder::enter_layer(const Step& step, size_t layer) {
  kv_.clear();
  states_.clear();
  tables_.resize(std::max(tables_.size(), step.slices.size()));
  for (size_t i = 0; i < step.slices.size(); ++i) {
    const Step::Slice& slice = step.slices[i];
    std::vector<std::byte*>& table = tables_[i];
    table.assign(slice.pages.begin(), slice.pages.end());
    for (std::byte*& page : table) page += page_offsets_[layer];
    kv_.push_back({.begin = slice.begin, .count = slice.count, .position = slice.position, .table = {table}});
    states_.push_back({.begin = slice.begin,
                       .count = slice.count,
                       .position = slice.position,
                       .state = slice.slot ? slice.slot + slot_offsets_[layer] : nullptr});
  }
}

void Decoder::embed(const Step& step, ops::Backend& backend, float* x) {
  backend.embed({.table = &embedding_.weight, .ids = step.tokens, .scale = spec_.embed_scale, .out = x});
  if (spec_.learned_positions == 0) return;
  const Workspace::Frame frame(work_);
  const int64_t rows = step.rows(), width = spec_.hidden;
  int32_t* places = work_.take<int32_t>(rows);
  for (const Step::Slice& slice : step.slices)
    for (int32_t r = 0; r < slice.count; ++r) {
      places[slice.begin + r] = slice.position + r;
      check(slice.position + r < spec_.learned_positions, "a position beyond those that were learned");
    }
  float* added = work_.floats(rows, width);
  backend.embed({.table = &positions_.weight, .ids = {places, static_cast<size_t>(rows)}, .out = added});
  backend.axpby(
      {.x = {.data = added, .rows = rows, .cols = width, .stride = width}, .y = x, .y_stride = width});
}

void Decoder::forward(const Step& step, ops::Backend& backend, const Output& output) {
  const Workspace::Frame frame(work_);
  ropes_.prepare(step);
  float* x = work_.floats(step.rows(), spec_.hidden);  // the residual stream [rows, hidden]
  embed(step, backend, x);
  if (output.hidden) output.hidden(-1, x);
  for (size_t i = 0; i < layers_.size(); ++i) {
    enter_layer(step, i);
    Forward at{.step = step,
               .backend = backend,
               .work = work_,
               .ropes = ropes_,
               .precision = precision_,
               .kv = kv_,
               .states = states_};
    layers_[i]->forward(at, x);
    if (output.hidden) output.hidden(static_cast<int>(i), x);
  }
  if (!step.logit_rows.empty()) head(step, backend, x, output.logits);
}

void Decoder::head(const Step& step, ops::Backend& backend, const float* x, float* logits) {
  const auto wanted = static_cast<int64_t>(step.logit_rows.size());
  const int64_t width = spec_.hidden;
  float* rows = work_.floats(wanted, width);
  for (int64_t i = 0; i < wanted; ++i)
    std::copy_n(x + step.logit_rows[static_cast<size_t>(i)] * width, width, rows + i * width);
  const ops::Rows last{.data = rows, .rows = wanted, .cols = width, .stride = width};
  final_norm_->forward(backend, last, rows, width);

  const ops::LinearOut out{.weight = spec_.tied ? &embedding_.weight : &lm_head_.weight,
                           .bias = lm_head_.bias.data(),
                           .y = logits,
                           .y_stride = spec_.vocab};
  backend.linear({.x = last, .outs = {&out, 1}, .fine = true});
  if (spec_.logit_scale != 1.0f) {
    const ops::Rows all{.data = logits, .rows = wanted, .cols = spec_.vocab, .stride = spec_.vocab};
    backend.axpby({.x = all, .alpha = spec_.logit_scale, .beta = 0.0f, .y = logits, .y_stride = spec_.vocab});
  }
  if (spec_.logit_softcap > 0.0f)
    backend.softcap({.x = logits,
                     .rows = wanted,
                     .cols = spec_.vocab,
                     .stride = spec_.vocab,
                     .cap = spec_.logit_softcap});
}

}  // namespace

std::unique_ptr<Model> Model::load(const ModelSpec& spec, WeightSource& source, const Options& options) {
  auto model = std::make_unique<Decoder>(spec);
  CheckBinder checker(source);
  model->bind(checker);
  checker.finish();
  LoadBinder loader(source, checker.stored_bytes(), options.progress);
  model->bind(loader);
  model->settle(options.precision);
  return model;
}

void bind_model(const ModelSpec& spec, Binder& binder) { Decoder(spec).bind(binder); }

StateLayout state_layout(const ModelSpec& spec, ops::Precision precision) {
  Decoder model(spec);
  model.settle(precision);
  return model.state();
}

}  // namespace varve::nn
