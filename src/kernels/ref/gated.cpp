#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

namespace {

double swish(double x, double slope) { return x / (1 + std::exp(-slope * x)); }

double activate(ops::Activation activation, double slope, double x) {
  switch (activation) {
    case ops::Activation::silu:
      return swish(x, slope);
    case ops::Activation::quick_gelu:
      return swish(x, ops::kQuickGeluSlope);
    case ops::Activation::gelu:
      return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
    case ops::Activation::gelu_tanh: {
      const double u = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
      return 0.5 * x * (1 + std::tanh(u));
    }
    case ops::Activation::relu:
      return std::max(x, 0.0);
    case ops::Activation::relu_squared:
      return std::max(x, 0.0) * std::max(x, 0.0);
    case ops::Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case ops::Activation::tanh:
      return std::tanh(x);
    case ops::Activation::identity:
      return x;
  }
  return x;
}

}  // namespace

void gated(const ops::GatedArgs& args) {
  for (int64_t row = 0; row < args.rows; ++row) {
    for (int64_t i = 0; i < args.cols; ++i) {
      double gate = args.gate[row * args.gate_stride + i];
      double up = args.up ? args.up[row * args.up_stride + i] : 1.0;
      if (args.limit > 0) {
        gate = std::min(gate, double{args.limit});
        if (args.up) up = std::clamp(up, -double{args.limit}, double{args.limit});
      }
      if (args.up) up += args.up_offset;
      args.out[row * args.out_stride + i] =
          static_cast<float>(activate(args.activation, args.slope, gate) * up);
    }
  }
}

}  // namespace varve::kernels::ref
