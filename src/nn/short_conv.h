#pragma once
// The causal convolution of recurrent mixers: each channel with its own last inputs, which the sequence's
// slot remembers. Not a block by itself.
#include "nn/block.h"

namespace varve::nn {

class ShortConv {
 public:
  /// `width`: positions that it sees, the row itself included.
  ShortConv(int64_t channels, int64_t width) : channels_(channels), width_(width) {}
  /// `name`.weight [channels, width], `name`.bias [channels].
  void bind(Binder& binder, std::string_view name, Presence bias);
  int64_t state_bytes() const { return (width_ - 1) * channels_ * static_cast<int64_t>(sizeof(float)); }
  /// x, y [rows, channels], not the same; `offset` is the byte of the layer's state where its own begins.
  void forward(Forward& at, const float* x, float* y, int64_t offset) const;

 private:
  int64_t channels_, width_;
  Vector weight_;  // turned: [width, channels]
  Vector bias_;
};

}  // namespace varve::nn
