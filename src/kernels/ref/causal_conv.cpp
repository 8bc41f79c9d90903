#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

/// Sums in float64.
void causal_conv(const ops::CausalConvArgs& args, const ops::StateSlice& slice, int64_t col, int64_t cols) {
  auto* state = reinterpret_cast<float*>(slice.state);
  const int64_t kept = args.width - 1;
  for (int64_t c = col; c < col + cols; ++c) {
    auto input = [&](int64_t i) {
      return i < kept ? state[i * args.cols + c] : args.x[(slice.begin + i - kept) * args.x_stride + c];
    };
    for (int64_t t = 0; t < slice.count; ++t) {
      double total = args.bias ? args.bias[c] : 0.0;
      for (int64_t j = 0; j < args.width; ++j) total += double{args.weight[j * args.cols + c]} * input(t + j);
      args.y[(slice.begin + t) * args.y_stride + c] = static_cast<float>(total);
    }
    for (int64_t i = 0; i < kept; ++i) state[i * args.cols + c] = input(slice.count + i);
  }
}

}  // namespace varve::kernels::ref
