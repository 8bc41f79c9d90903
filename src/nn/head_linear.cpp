#include "nn/head_linear.h"

#include <vector>

namespace varve::nn {

void head_linear(Forward& at, const ops::Rows& x, std::span<const HeadsOut> outs, int64_t width) {
  const Workspace::Frame frame(at.work);
  const auto heads = std::ssize(outs.front().matrices->experts);
  const int64_t rows = x.rows / heads;
  int32_t* index = at.work.take<int32_t>(x.rows);
  std::vector<ops::ExpertSlice> slices;
  slices.reserve(outs.size() * static_cast<size_t>(heads));
  for (int64_t h = 0; h < heads; ++h) {
    int32_t* own = index + h * rows;
    for (int64_t r = 0; r < rows; ++r) own[r] = static_cast<int32_t>(r * heads + h);
    for (const HeadsOut& out : outs) {
      const Linear& linear = out.matrices->experts[static_cast<size_t>(h)];
      slices.push_back({.weight = &linear.weight,
                        .bias = linear.bias.data(),
                        .rows = {own, static_cast<size_t>(rows)},
                        .y = out.y + h * width});
    }
  }
  at.backend.expert_linear({.x = x, .slices = slices, .y_stride = heads * width});
}

}  // namespace varve::nn
