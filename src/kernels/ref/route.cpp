#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

void route(const ops::RouteArgs& args) {
  const int64_t experts = args.logits.cols;
  const bool over_all = args.kind == ops::RouteArgs::Kind::softmax_topk;
  std::vector<int32_t> order(static_cast<size_t>(experts));
  for (int64_t row = 0; row < args.logits.rows; ++row) {
    const float* logits = args.logits.data + row * args.logits.stride;
    std::iota(order.begin(), order.end(), 0);
    const auto key = [&](int32_t e) { return std::isnan(logits[e]) ? -INFINITY : logits[e]; };
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return key(a) > key(b); });
    // softmax_topk that renormalises is topk_softmax: the sum over all experts cancels.
    const int64_t summed = over_all && !args.renormalize ? experts : args.active;
    double sum = 0;
    for (int64_t j = 0; j < summed; ++j) sum += std::exp(double{logits[order[j]]} - logits[order[0]]);
    for (int64_t j = 0; j < args.active; ++j) {
      const double weight = std::exp(double{logits[order[j]]} - logits[order[0]]) / sum;
      args.experts[row * args.active + j] = order[j];
      args.weights[row * args.active + j] = static_cast<float>(weight * args.scale);
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
