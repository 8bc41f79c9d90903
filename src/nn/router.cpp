#include "nn/router.h"

#include <fmt/format.h>

#include "nn/params.h"

namespace varve::nn {

namespace {

void need(bool holds, std::string_view what, std::string expected, std::string found) {
  require(holds, fmt::format("a router of experts: {}", what), std::move(expected), std::move(found));
}

ops::RouteArgs::Kind kind_from(std::string_view word) {
  using enum ops::RouteArgs::Kind;
  if (word == "topk_softmax") return topk_softmax;
  return word == "sigmoid_topk" ? sigmoid_topk : softmax_topk;
}

}  // namespace

Router::Router(const Params& params, int64_t hidden) : params_(params), hidden_(hidden) {
  const Params& p = params_;
  need(p.active >= 1 && p.active <= p.experts, "more active experts than experts, or none",
       fmt::format("1 to {}", p.experts), fmt::format("{}", p.active));
  need(p.groups >= 1 && p.experts % p.groups == 0, "the groups are not equal",
       fmt::format("a divisor of {} experts", p.experts), fmt::format("{} groups", p.groups));
  const int64_t size = p.experts / p.groups;
  need(p.groups_kept >= 1 && p.groups_kept <= p.groups && p.groups_kept * size >= p.active,
       "the kept groups have too few experts", fmt::format("at least {} experts", p.active),
       fmt::format("{} of {} groups of {}", p.groups_kept, p.groups, size));
  need(p.group_best >= 1 && p.group_best <= size, "a group has too few experts to be ranked by",
       fmt::format("1 to {}", size), fmt::format("{}", p.group_best));
  need(p.kind != "topk_softmax" || (p.groups_kept == p.groups && p.correction == "absent"),
       "topk_softmax knows neither groups nor a correction", "softmax_topk or sigmoid_topk", p.kind);
  need(p.kind != "topk_softmax" || !p.renormalize, "\"renormalize\" with topk_softmax",
       "no \"renormalize\": its weights always have the sum 1", "renormalize = true");
}

void Router::bind(Binder& binder) {
  binder.linear("router", {.out = params_.experts, .in = hidden_, .bias = Presence::optional}, linear_);
  binder.vector("router.correction", params_.experts, presence_from(params_.correction), correction_);
}

Router::Choice Router::choose(Forward& at, const ops::Rows& x) const {
  Choice out{.experts = at.work.take<int32_t>(x.rows * params_.active),
             .weights = at.work.take<float>(x.rows * params_.active)};
  const Workspace::Frame frame(at.work);
  float* logits = at.work.floats(x.rows, params_.experts);
  const ops::LinearOut routing{
      .weight = &linear_.weight, .bias = linear_.bias.data(), .y = logits, .y_stride = params_.experts};
  at.backend.linear({.x = x, .outs = {&routing, 1}});
  at.backend.route(
      {.logits = {.data = logits, .rows = x.rows, .cols = params_.experts, .stride = params_.experts},
       .kind = kind_from(params_.kind),
       .active = params_.active,
       .renormalize = params_.renormalize,
       .scale = params_.scale,
       .bias = correction_.data(),
       .groups = params_.groups,
       .groups_kept = params_.groups_kept,
       .group_best = params_.group_best,
       .experts = out.experts,
       .weights = out.weights});
  return out;
}

}  // namespace varve::nn
