#include <algorithm>
#include <cmath>

#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

/// Sums in float64; the state is rounded to float32 after every token, as it is kept.
void ssm_scan(const ops::SsmScanArgs& args, const ops::StateSlice& slice, int64_t head, int64_t block) {
  const ops::DeltaLayout& layout = args.layout;
  const int64_t group = head / (layout.value_heads / layout.key_heads);
  auto* state = reinterpret_cast<float*>(slice.state);
  for (int64_t row = slice.begin; row < slice.begin + slice.count; ++row) {
    const float* b = args.b + row * args.xbc_stride + group * layout.key_dim;
    const float* c = args.c + row * args.xbc_stride + group * layout.key_dim;
    const double step = double{args.step[row * args.step_stride + head]} + args.offset[head];
    const double dt = std::clamp<double>(softplus(step), args.dt_min, args.dt_max);
    const double decay = std::exp(args.rate[head] * dt);
    const int64_t first = block * ops::DeltaLayout::kBlock;
    for (int64_t j = first; j < first + layout.block_width(block); ++j) {
      const int64_t value = head * layout.value_dim + j;
      const double x = args.x[row * args.xbc_stride + value];
      double y = args.skip[head] * x;
      for (int64_t i = 0; i < layout.key_dim; ++i) {
        float& s = state[layout.index(head, i, j)];
        const double now = decay * s + dt * b[i] * x;
        y += now * c[i];
        s = static_cast<float>(now);
      }
      args.y[row * args.y_stride + value] = static_cast<float>(y);
    }
  }
}

}  // namespace varve::kernels::ref
