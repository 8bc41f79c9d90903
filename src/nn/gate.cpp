#include "nn/gate.h"

#include <fmt/format.h>

#include "core/error.h"

namespace varve::nn {

void Gate::check() const {
  if (slope != 1.0f && activation != ops::Activation::silu)
    throw LoadError({.what = "a gate's slope belongs to silu, and the activation is another",
                     .where = {},
                     .expected = "slope 1",
                     .found = fmt::format("slope {}", slope),
                     .advice = {}});
  if (!(limit >= 0.0f))
    throw LoadError({.what = "a gate's limit must not be negative",
                     .where = {},
                     .expected = "0 or more",
                     .found = fmt::format("{}", limit),
                     .advice = {}});
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
