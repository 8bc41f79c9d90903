#include "nn/short_conv.h"

namespace varve::nn {

void ShortConv::bind(Binder& binder, std::string_view name, Presence bias) {
  Vector stored;
  binder.vector(std::string(name) + ".weight", channels_ * width_, Presence::required, stored);
  binder.vector(std::string(name) + ".bias", channels_, bias, bias_);
  weight_.values.resize(stored.values.size());
  for (size_t i = 0; i < stored.values.size(); ++i) {
    const size_t channel = i / static_cast<size_t>(width_), tap = i % static_cast<size_t>(width_);
    weight_.values[tap * static_cast<size_t>(channels_) + channel] = stored.values[i];
  }
}

void ShortConv::forward(Forward& at, const float* x, float* y, int64_t offset) const {
  at.backend.causal_conv({.slices = at.states_at(offset),
                          .cols = channels_,
                          .width = width_,
                          .x = x,
                          .x_stride = channels_,
                          .weight = weight_.data(),
                          .bias = bias_.data(),
                          .y = y,
                          .y_stride = channels_});
}

}  // namespace varve::nn
