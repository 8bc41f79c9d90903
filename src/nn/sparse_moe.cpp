#include "nn/sparse_moe.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace varve::nn {

namespace {

/// The rows of a step sorted by expert: slot s of the sorted order is row row_of[s], and choice j of row
/// r went to slot slot_of[r, j]. Experts' slots are [first[e], first[e+1]).
struct Grouping {
  int32_t* row_of = nullptr;
  int32_t* slot_of = nullptr;
  std::vector<int32_t> first;
};

Grouping group_by_expert(Workspace& work, const int32_t* chosen, int64_t choices,
                         const SparseMoe::Params& p) {
  Grouping g{.row_of = work.take<int32_t>(choices),
             .slot_of = work.take<int32_t>(choices),
             .first = std::vector<int32_t>(static_cast<size_t>(p.experts) + 1)};
  for (int64_t c = 0; c < choices; ++c) ++g.first[static_cast<size_t>(chosen[c]) + 1];
  std::partial_sum(g.first.begin(), g.first.end(), g.first.begin());
  std::vector<int32_t> next(g.first.begin(), g.first.end() - 1);
  for (int64_t c = 0; c < choices; ++c) {
    const int32_t slot = next[static_cast<size_t>(chosen[c])]++;
    g.row_of[slot] = static_cast<int32_t>(c / p.active);
    g.slot_of[c] = slot;
  }
  return g;
}

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

SparseMoe::SparseMoe(const Params& params, const BlockInit& init) : params_(params), hidden_(init.hidden) {
  if (params_.active < 1 || params_.active > params_.experts)
    throw LoadError({.what = "sparse_moe: more active experts than experts, or none",
                     .where = {},
                     .expected = fmt::format("1 to {}", params_.experts),
                     .found = fmt::format("{}", params_.active),
                     .advice = {}});
}

void SparseMoe::bind(Binder& binder) {
  const Scope scope(binder, "mlp");
  binder.linear("router", {.out = params_.experts, .in = hidden_, .bias = Presence::optional}, router_);
  const Scope experts(binder, "experts");
  const Binder::LinearShape in{.out = params_.inner, .in = hidden_, .bias = Presence::optional};
  const Binder::LinearShape out{.out = hidden_, .in = params_.inner, .bias = Presence::optional};
  binder.experts("gate_proj", params_.experts, in, gate_);
  binder.experts("up_proj", params_.experts, in, up_);
  binder.experts("down_proj", params_.experts, out, down_);
}

void SparseMoe::forward(Forward& at, const ops::Rows& x, const Into& out) const {
  const Workspace::Frame frame(at.work);
  const int64_t choices = x.rows * params_.active, width = params_.inner;
  float* logits = at.work.floats(x.rows, params_.experts);
  const ops::LinearOut routing{
      .weight = &router_.weight, .bias = router_.bias.data(), .y = logits, .y_stride = params_.experts};
  at.backend.linear({.x = x, .outs = {&routing, 1}});
  int32_t* chosen = at.work.take<int32_t>(choices);
  float* weights = at.work.take<float>(choices);
  at.backend.route(
      {.logits = {.data = logits, .rows = x.rows, .cols = params_.experts, .stride = params_.experts},
       .kind = params_.router == "topk_softmax" ? ops::RouteArgs::Kind::topk_softmax
                                                : ops::RouteArgs::Kind::softmax_topk,
       .active = params_.active,
       .renormalize = params_.renormalize,
       .scale = params_.scale,
       .experts = chosen,
       .weights = weights});

  const Grouping g = group_by_expert(at.work, chosen, choices, params_);
  float* gate = at.work.floats(choices, width);
  float* up = at.work.floats(choices, width);
  std::vector<ops::ExpertSlice> first = slices_of(g, gate_, g.row_of, gate, width);
  const std::vector<ops::ExpertSlice> ups = slices_of(g, up_, g.row_of, up, width);
  first.insert(first.end(), ups.begin(), ups.end());
  at.backend.expert_linear({.x = x, .slices = first, .y_stride = width});
  at.backend.gated({.gate = gate,
                    .gate_stride = width,
                    .up = up,
                    .up_stride = width,
                    .rows = choices,
                    .cols = width,
                    .activation = params_.activation,
                    .out = gate,
                    .out_stride = width});

  float* done = at.work.floats(choices, hidden_);
  int32_t* slots = at.work.take<int32_t>(choices);
  std::iota(slots, slots + choices, 0);
  const std::vector<ops::ExpertSlice> downs = slices_of(g, down_, slots, done, hidden_);
  at.backend.expert_linear({.x = {.data = gate, .rows = choices, .cols = width, .stride = width},
                            .slices = downs,
                            .y_stride = hidden_});

  if (!out.accumulate)
    for (int64_t r = 0; r < x.rows; ++r) std::fill_n(out.y + r * out.stride, hidden_, 0.0f);
  at.backend.combine({.x = done,
                      .cols = hidden_,
                      .rows = x.rows,
                      .active = params_.active,
                      .slots = g.slot_of,
                      .weights = weights,
                      .y = out.y,
                      .y_stride = out.stride});
}

}  // namespace varve::nn
