#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

void rope(const ops::RopeArgs& args) {
  const int64_t half = args.dims / 2;
  for (int64_t row = 0; row < args.rows; ++row) {
    for (int64_t head = 0; head < args.heads; ++head) {
      float* x = args.x + row * args.stride + head * args.head_dim;
      for (int64_t i = 0; i < half; ++i) {
        float& a = args.interleaved ? x[2 * i] : x[i];
        float& b = args.interleaved ? x[2 * i + 1] : x[i + half];
        const double cos = args.cos[row * half + i], sin = args.sin[row * half + i];
        const double turned_a = a * cos - b * sin, turned_b = b * cos + a * sin;
        a = static_cast<float>(turned_a);
        b = static_cast<float>(turned_b);
      }
    }
  }
}

}  // namespace varve::kernels::ref
