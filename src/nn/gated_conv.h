#pragma once
// "gated_conv": a short causal convolution between two gates (Liquid AI, LFM2, 2025).
//   b, c, u = three equal parts of x Win;  (c * conv(b * u)) Wout
// A sequence remembers the convolution's last inputs.
#include <string>

#include "nn/block.h"
#include "nn/short_conv.h"

namespace varve::nn {

class GatedConv : public Mixer {
 public:
  struct Params {
    int64_t conv_width = 3;
    std::string bias = "optional";
    template <class V>
    void visit(V& v) {
      v.optional("conv_width", conv_width, "positions that the convolution sees, the row itself included");
      v.choice("bias", bias, {"optional", "required", "absent"},
               "biases of the projections and the convolution");
    }
  };
  GatedConv(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  Params params_;
  int64_t hidden_;
  Linear in_, out_;
  ShortConv conv_;
};

}  // namespace varve::nn
