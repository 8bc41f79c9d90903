#include <cmath>

#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

/// In float64; the state is rounded to float32 after every token, as it is kept.
void rg_lru_scan(const ops::RgLruScanArgs& args, const ops::StateSlice& slice, int64_t col, int64_t cols) {
  auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  auto* state = reinterpret_cast<float*>(slice.state);
  for (int64_t t = 0; t < slice.count; ++t) {
    const int64_t row = slice.begin + t;
    for (int64_t c = col; c < col + cols; ++c) {
      const double forget = args.rate[c] * sigmoid(args.recurrent_gate[row * args.gate_stride + c]);
      const double x = args.x[row * args.x_stride + c] * sigmoid(args.input_gate[row * args.gate_stride + c]);
      const bool first = slice.position + t == 0;
      const double kept = first ? 0.0 : std::exp(forget) * state[c];
      state[c] = static_cast<float>(kept + x * (first ? 1.0 : std::sqrt(-std::expm1(2 * forget))));
      args.y[row * args.y_stride + c] = state[c];
    }
  }
}

}  // namespace varve::kernels::ref
