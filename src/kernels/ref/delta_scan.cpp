#include <cmath>

#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

/// Sums in float64; the state is rounded to float32 after every token, as it is kept.
void delta_scan(const ops::DeltaScanArgs& args, const ops::StateSlice& slice, int64_t head, int64_t block) {
  const ops::DeltaLayout& layout = args.layout;
  const int64_t key_head = head / (layout.value_heads / layout.key_heads);
  auto* state = reinterpret_cast<float*>(slice.state);
  for (int64_t row = slice.begin; row < slice.begin + slice.count; ++row) {
    const float* q = args.q + row * args.qkv_stride + key_head * layout.key_dim;
    const float* k = args.k + row * args.qkv_stride + key_head * layout.key_dim;
    const double a = args.a[row * args.gate_stride + head], b = args.b[row * args.gate_stride + head];
    const double decay = std::exp(args.rate[head] * softplus(a + args.offset[head]));
    const double beta = 1 / (1 + std::exp(-b));
    const int64_t first = block * ops::DeltaLayout::kBlock;
    for (int64_t j = first; j < first + layout.block_width(block); ++j) {
      const int64_t value = head * layout.value_dim + j;
      double told = 0, answer = 0;
      for (int64_t i = 0; i < layout.key_dim; ++i)
        told += decay * double{state[layout.index(head, i, j)]} * k[i];
      const double update = beta * (args.v[row * args.qkv_stride + value] - told);
      for (int64_t i = 0; i < layout.key_dim; ++i) {
        float& s = state[layout.index(head, i, j)];
        const double now = decay * s + k[i] * update;
        answer += now * q[i];
        s = static_cast<float>(now);
      }
      args.y[row * args.y_stride + value] = static_cast<float>(answer);
    }
  }
}

}  // namespace varve::kernels::ref
