#pragma once
// The gate of a gated feed-forward: act(gate) * (up + up_offset), both clamped before where there is a limit
// (ops::GatedArgs). One list of parameters for all blocks that have such a gate.
#include "nn/block.h"

namespace varve::nn {

struct Gate {
  ops::Activation activation = ops::Activation::silu;
  float slope = 1.0f;
  float limit = 0.0f;
  float up_offset = 0.0f;
  template <class V>
  void visit(V& v) {
    v.optional("activation", activation, "activation of the gate");
    v.optional("slope", slope, "of silu: x sigmoid(slope x)");
    v.optional("limit", limit, "gates are clamped to at most it, the others to both sides of 0; 0: not");
    v.optional("up_offset", up_offset, "added to what is gated");
  }
  /// A LoadError when the parameters do not go together.
  void check() const;
  /// In place: gate [rows, width] becomes the result; up has the same shape.
  void forward(ops::Backend& backend, float* gate, const float* up, int64_t rows, int64_t width) const;
};

}  // namespace varve::nn
