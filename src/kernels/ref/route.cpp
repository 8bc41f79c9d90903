#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

namespace {

using Kind = ops::RouteArgs::Kind;

/// What the weights come from, before the choice.
std::vector<double> scores_of(const ops::RouteArgs& args, const float* logits) {
  std::vector<double> scores(logits, logits + args.logits.cols);
  if (args.kind == Kind::sigmoid_topk)
    for (double& score : scores) score = 1.0 / (1.0 + std::exp(-score));
  if (args.kind != Kind::softmax_topk) return scores;
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (double& score : scores) score /= sum;
  return scores;
}

/// Sinks the ranks of experts outside the best groups.
void keep_best_groups(const ops::RouteArgs& args, std::vector<double>& ranks) {
  const auto size = static_cast<std::ptrdiff_t>(ranks.size()) / args.groups;
  std::vector<double> worth;
  for (std::ptrdiff_t g = 0; g < args.groups; ++g) {
    std::vector<double> group(ranks.begin() + g * size, ranks.begin() + (g + 1) * size);
    std::sort(group.rbegin(), group.rend());
    worth.push_back(std::accumulate(group.begin(), group.begin() + args.group_best, 0.0));
  }
  std::vector<std::ptrdiff_t> order(worth.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return worth[static_cast<size_t>(a)] > worth[static_cast<size_t>(b)];
  });
  for (size_t i = static_cast<size_t>(args.groups_kept); i < order.size(); ++i)
    std::fill_n(ranks.begin() + order[i] * size, size, -INFINITY);
}

}  // namespace

void route(const ops::RouteArgs& args) {
  const int64_t experts = args.logits.cols;
  std::vector<int32_t> order(static_cast<size_t>(experts));
  for (int64_t row = 0; row < args.logits.rows; ++row) {
    const float* logits = args.logits.data + row * args.logits.stride;
    std::vector<double> scores = scores_of(args, logits);
    // Scores rise with logits.
    std::vector<double> ranks = args.plain_choice() ? std::vector<double>(logits, logits + experts) : scores;
    for (int64_t e = 0; args.bias && e < experts; ++e) ranks[static_cast<size_t>(e)] += args.bias[e];
    for (double& rank : ranks)
      if (std::isnan(rank)) rank = -INFINITY;
    if (args.groups_kept < args.groups) keep_best_groups(args, ranks);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return ranks[static_cast<size_t>(a)] > ranks[static_cast<size_t>(b)];
    });
    std::vector<double> chosen;
    for (int64_t j = 0; j < args.active; ++j)
      chosen.push_back(scores[static_cast<size_t>(order[static_cast<size_t>(j)])]);
    if (args.kind == Kind::topk_softmax) {
      const double largest = chosen.front();
      for (double& score : chosen) score = std::exp(score - largest);
    }
    const double sum = std::accumulate(chosen.begin(), chosen.end(), 0.0);
    const bool divided = args.renormalize || args.kind == Kind::topk_softmax;
    for (int64_t j = 0; j < args.active; ++j) {
      const auto at = static_cast<size_t>(j);
      args.experts[row * args.active + j] = order[at];
      args.weights[row * args.active + j] =
          static_cast<float>(chosen[at] / (divided ? sum : 1.0) * double{args.scale});
    }
  }
}

void combine(const ops::CombineArgs& args) {
  for (int64_t row = 0; row < args.rows; ++row) {
    for (int64_t i = 0; i < args.cols; ++i) {
      float& y = args.y[row * args.y_stride + i];
      double sum = y;
      for (int64_t j = 0; j < args.active; ++j) {
        const int64_t slot = args.slots[row * args.active + j];
        sum += double{args.weights[row * args.active + j]} * args.x[slot * args.cols + i];
      }
      y = static_cast<float>(sum);
    }
  }
}

}  // namespace varve::kernels::ref
