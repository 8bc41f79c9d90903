#include <cmath>

#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

void rms_norm(const ops::RmsNormArgs& args) {
  const int64_t group = args.group > 0 ? args.group : args.x.cols;
  for (int64_t row = 0; row < args.x.rows; ++row) {
    for (int64_t start = 0; start < args.x.cols; start += group) {
      const float* x = args.x.data + row * args.x.stride + start;
      float* y = args.y + row * args.y_stride + start;
      double squares = 0;
      for (int64_t i = 0; i < group; ++i) squares += double{x[i]} * x[i];
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(group) + double{args.eps});
      for (int64_t i = 0; i < group; ++i)
        y[i] = static_cast<float>(x[i] * inverse * (args.weight ? double{args.weight[i]} : 1.0));
    }
  }
}

void layer_norm(const ops::LayerNormArgs& args) {
  const int64_t cols = args.x.cols;
  for (int64_t row = 0; row < args.x.rows; ++row) {
    const float* x = args.x.data + row * args.x.stride;
    float* y = args.y + row * args.y_stride;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < cols; ++i) mean += x[i];
    mean /= static_cast<double>(cols);
    for (int64_t i = 0; i < cols; ++i) variance += (x[i] - mean) * (x[i] - mean);
    const double inverse = 1 / std::sqrt(variance / static_cast<double>(cols) + double{args.eps});
    for (int64_t i = 0; i < cols; ++i) {
      const double weight = args.weight ? double{args.weight[i]} : 1.0;
      const double bias = args.bias ? double{args.bias[i]} : 0.0;
      y[i] = static_cast<float>((x[i] - mean) * inverse * weight + bias);
    }
  }
}

}  // namespace varve::kernels::ref
