#include <cmath>

#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

void axpby(const ops::AxpbyArgs& args) {
  for (int64_t row = 0; row < args.x.rows; ++row) {
    for (int64_t i = 0; i < args.x.cols; ++i) {
      float& y = args.y[row * args.y_stride + i];
      double sum = double{args.alpha} * args.x.data[row * args.x.stride + i];
      if (args.beta != 0) sum += double{args.beta} * y;
      y = static_cast<float>(sum);
    }
  }
}

void softcap(const ops::SoftcapArgs& args) {
  for (int64_t row = 0; row < args.rows; ++row) {
    for (int64_t i = 0; i < args.cols; ++i) {
      float& x = args.x[row * args.stride + i];
      x = static_cast<float>(args.cap * std::tanh(double{x} / args.cap));
    }
  }
}

}  // namespace varve::kernels::ref
