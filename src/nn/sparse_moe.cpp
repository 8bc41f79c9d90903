#include "nn/sparse_moe.h"

#include <algorithm>
#include <numeric>

namespace varve::nn {

/// The rows of a step sorted by expert: slot s of the sorted order is row row_of[s], and choice j of row
/// r went to slot slot_of[r, j]. Experts' slots are [first[e], first[e+1]).
struct SparseMoe::Grouping {
  int64_t slots = 0;
  int32_t* row_of = nullptr;
  int32_t* slot_of = nullptr;
  std::vector<int32_t> first;
};

namespace {

template <class Grouping>
std::vector<ops::ExpertSlice> slices_of(const Grouping& g, const ExpertLinear& linear, const int32_t* rows,
                                        float* y, int64_t width) {
  std::vector<ops::ExpertSlice> slices;
  for (size_t e = 0; e + 1 < g.first.size(); ++e) {
    const int32_t begin = g.first[e], count = g.first[e + 1] - begin;
    if (count == 0) continue;
    slices.push_back({.weight = &linear.experts[e].weight,
                      .bias = linear.experts[e].bias.data(),
                      .rows = {rows + begin, static_cast<size_t>(count)},
                      .y = y + begin * width});
  }
  return slices;
}

}  // namespace

SparseMoe::SparseMoe(const Params& params, const BlockInit& init)
    : params_(params), hidden_(init.hidden), router_(params.router, init.hidden) {
  params_.gate.check();
  if (params_.shared_inner > 0)
    shared_ = std::make_unique<GatedMlp>(
        GatedMlp::Params{.inner = params_.shared_inner, .gate = params_.gate, .inner_norm = {}}, init);
}

void SparseMoe::bind(Binder& binder) {
  const Scope scope(binder, "mlp");
  router_.bind(binder);
  if (shared_) shared_->bind_as(binder, "shared_expert");
  if (shared_ && params_.shared_gate != "none")
    binder.linear("shared_expert_gate", {.out = 1, .in = hidden_, .bias = Presence::absent}, shared_gate_);
  const Scope experts(binder, "experts");
  const Binder::LinearShape in{.out = params_.inner, .in = hidden_, .bias = Presence::optional};
  const Binder::LinearShape out{.out = hidden_, .in = params_.inner, .bias = Presence::optional};
  binder.experts("gate_proj", params_.router.experts, in, gate_);
  binder.experts("up_proj", params_.router.experts, in, up_);
  binder.experts("down_proj", params_.router.experts, out, down_);
}

SparseMoe::Grouping SparseMoe::group_by_expert(Workspace& work, const int32_t* chosen,
                                               int64_t choices) const {
  Grouping g{.slots = choices,
             .row_of = work.take<int32_t>(choices),
             .slot_of = work.take<int32_t>(choices),
             .first = std::vector<int32_t>(static_cast<size_t>(params_.router.experts) + 1)};
  for (int64_t c = 0; c < choices; ++c) ++g.first[static_cast<size_t>(chosen[c]) + 1];
  std::partial_sum(g.first.begin(), g.first.end(), g.first.begin());
  std::vector<int32_t> next(g.first.begin(), g.first.end() - 1);
  for (int64_t c = 0; c < choices; ++c) {
    const int32_t slot = next[static_cast<size_t>(chosen[c])]++;
    g.row_of[slot] = static_cast<int32_t>(c / params_.router.active);
    g.slot_of[c] = slot;
  }
  return g;
}

/// The rows of every slot times their weights [slots, hidden]; the weights are used up: they become 1.
const float* SparseMoe::weigh_input(Forward& at, const Grouping& g, const ops::Rows& x,
                                    float* weights) const {
  float* scaled = at.work.floats(g.slots, hidden_);
  for (int64_t c = 0; c < g.slots; ++c) {
    const int32_t slot = g.slot_of[c];
    at.backend.axpby(
        {.x = {.data = x.data + g.row_of[slot] * x.stride, .rows = 1, .cols = hidden_, .stride = hidden_},
         .alpha = weights[c],
         .beta = 0.0f,
         .y = scaled + slot * hidden_,
         .y_stride = hidden_});
    weights[c] = 1.0f;
  }
  return scaled;
}

/// act(gate) * up of every slot [slots, inner]; slot s reads row rows[s] of x.
float* SparseMoe::gated(Forward& at, const Grouping& g, const ops::Rows& x, const int32_t* rows) const {
  const int64_t width = params_.inner;
  float* gate = at.work.floats(g.slots, width);
  float* up = at.work.floats(g.slots, width);
  std::vector<ops::ExpertSlice> first = slices_of(g, gate_, rows, gate, width);
  const std::vector<ops::ExpertSlice> ups = slices_of(g, up_, rows, up, width);
  first.insert(first.end(), ups.begin(), ups.end());
  at.backend.expert_linear({.x = x, .slices = first, .y_stride = width});
  params_.gate.forward(at.backend, gate, up, g.slots, width);
  return gate;
}

void SparseMoe::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const Router::Choice choice = router_.choose(at, x);
  const Grouping g = group_by_expert(at.work, choice.experts, x.rows * params_.router.active);
  int32_t* slots = at.work.take<int32_t>(g.slots);
  std::iota(slots, slots + g.slots, 0);
  const float* inside = nullptr;
  if (params_.weighed == "input") {
    const float* scaled = weigh_input(at, g, x, choice.weights);
    inside = gated(at, g, {.data = scaled, .rows = g.slots, .cols = hidden_, .stride = hidden_}, slots);
  } else {
    inside = gated(at, g, x, g.row_of);
  }
  float* done = at.work.floats(g.slots, hidden_);
  at.backend.expert_linear(
      {.x = {.data = inside, .rows = g.slots, .cols = params_.inner, .stride = params_.inner},
       .slices = slices_of(g, down_, slots, done, hidden_),
       .y_stride = hidden_});

  if (!out.accumulate)
    for (int64_t r = 0; r < x.rows; ++r) std::fill_n(out.y + r * out.stride, hidden_, 0.0f);
  at.backend.combine({.x = done,
                      .cols = hidden_,
                      .rows = x.rows,
                      .active = params_.router.active,
                      .slots = g.slot_of,
                      .weights = choice.weights,
                      .y = out.y,
                      .y_stride = out.stride});
  if (shared_) add_shared(at, x, out);
}

void SparseMoe::add_shared(Forward& at, const ops::Rows& x, const Into& out) const {
  if (params_.shared_gate == "none")
    return shared_->forward(at, x, {.y = out.y, .stride = out.stride, .accumulate = true});
  float* factors = at.work.floats(x.rows, 1);
  const ops::LinearOut gate{.weight = &shared_gate_.weight, .y = factors, .y_stride = 1};
  at.backend.linear({.x = x, .outs = {&gate, 1}});
  at.backend.gated({.gate = factors,
                    .gate_stride = 1,
                    .rows = x.rows,
                    .cols = 1,
                    .activation = ops::Activation::sigmoid,
                    .out = factors,
                    .out_stride = 1});
  float* part = at.work.floats(x.rows, hidden_);
  shared_->forward(at, x, {.y = part, .stride = hidden_});
  for (int64_t r = 0; r < x.rows; ++r)
    at.backend.axpby({.x = {.data = part + r * hidden_, .rows = 1, .cols = hidden_, .stride = hidden_},
                      .alpha = factors[r],
                      .y = out.y + r * out.stride,
                      .y_stride = out.stride});
}

}  // namespace varve::nn
