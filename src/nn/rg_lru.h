#pragma once
// "rg_lru": the recurrent block of Griffin (De et al. 2024).
//   u = conv(x Wx);  h = the real-gated linear recurrence over u, its gates from u head by head
//   (ops::RgLruScanArgs);  (h * act(x Wy)) Wout
// A sequence remembers the convolution's last inputs and h [width].
#include "nn/block.h"
#include "nn/short_conv.h"

namespace varve::nn {

class RgLru : public Mixer {
 public:
  struct Params {
    int64_t width = 0;
    int64_t heads = 0;
    int64_t conv_width = 4;
    ops::Activation activation = ops::Activation::gelu_tanh;
    template <class V>
    void visit(V& v) {
      v.required("width", width, "channels of the recurrence");
      v.required("heads", heads, "a gate sees the channels of its head; divides width");
      v.optional("conv_width", conv_width, "positions that the convolution sees, the row itself included");
      v.optional("activation", activation, "activation of the other branch");
    }
  };
  RgLru(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  int64_t head_width() const { return params_.width / params_.heads; }

  Params params_;
  int64_t hidden_;
  Linear x_, y_, out_;
  ShortConv conv_;
  ExpertLinear input_, recurrent_;  // one matrix per head
  std::vector<float> rate_;         // [width], -8 softplus(recurrent_param)
};

}  // namespace varve::nn
