#include "nn/gate.h"

#include <fmt/format.h>

#include "nn/params.h"

namespace varve::nn {

void Gate::check() const {
  require(slope == 1.0f || activation == ops::Activation::silu,
          "a gate's slope belongs to silu, and the activation is another", "slope 1",
          fmt::format("slope {}", slope));
  require(limit >= 0.0f, "a gate's limit must not be negative", "0 or more", fmt::format("{}", limit));
}

void Gate::forward(ops::Backend& backend, float* gate, const float* up, int64_t rows, int64_t width) const {
  backend.gated({.gate = gate,
                 .gate_stride = width,
                 .up = up,
                 .up_stride = width,
                 .rows = rows,
                 .cols = width,
                 .activation = activation,
                 .slope = slope,
                 .limit = limit,
                 .up_offset = up_offset,
                 .out = gate,
                 .out_stride = width});
}

}  // namespace varve::nn
