#pragma once
// "ssm": the selective state space with one decay per head (Dao and Gu 2024, "Transformers are SSMs").
//   z, xBC, step = x Wz, x Wxbc, x Wdt;  xBC = act(conv(xBC));  y = ops::SsmScanArgs over it
//   y = norm(y * silu(z)), or norm(y) * silu(z), or y * silu(z);  y Wout
// A sequence remembers the convolution's last inputs and the state of every head.
#include <string>
#include <vector>

#include "nn/block.h"
#include "nn/short_conv.h"

namespace varve::nn {

class Ssm : public Mixer {
 public:
  struct Params {
    int64_t heads = 0;
    int64_t head_dim = 0;
    int64_t state = 0;
    int64_t groups = 1;
    int64_t conv_width = 4;
    ops::Activation activation = ops::Activation::silu;
    std::string norm = "after_gate";
    float eps = 1e-5f;
    std::string bias = "optional";
    std::string output_bias = "optional";
    std::string conv_bias = "optional";
    std::vector<float> dt_limit;
    std::vector<float> scales;
    template <class V>
    void visit(V& v) {
      v.required("heads", heads, "heads of the scan");
      v.required("head_dim", head_dim, "width of a head");
      v.required("state", state, "width of a head's state");
      v.optional("groups", groups, "B and C are shared by runs of heads; divides heads");
      v.optional("conv_width", conv_width, "positions that the convolution sees, the row itself included");
      v.optional("activation", activation, "activation after the convolution");
      v.choice("norm", norm, {"after_gate", "before_gate", "none"},
               "an RMS norm over each group's channels, behind or before the gate");
      v.optional("eps", eps, "of the norm");
      v.choice("bias", bias, {"optional", "required", "absent"}, "biases of the input projections");
      v.choice("output_bias", output_bias, {"optional", "required", "absent"},
               "bias of the output projection");
      v.choice("conv_bias", conv_bias, {"optional", "required", "absent"}, "bias of the convolution");
      v.optional("dt_limit", dt_limit, "least and largest step; empty: at least 0");
      v.optional("scales", scales, "factors of z, x, B, C and the step as projected; empty: 1");
    }
  };
  Ssm(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  struct Rows;
  int64_t inner() const { return params_.heads * params_.head_dim; }
  int64_t group_state() const { return params_.groups * params_.state; }
  int64_t channels() const { return inner() + 2 * group_state(); }
  ops::DeltaLayout layout() const;
  void project(Forward& at, const ops::Rows& x, const Rows& to) const;
  void scan(Forward& at, const Rows& of, float* y) const;
  void normalise(Forward& at, float* y, int64_t rows) const;

  Params params_;
  int64_t hidden_;
  Linear z_, xbc_, dt_, out_;
  ShortConv conv_;
  std::vector<float> rate_;  // [heads], -exp(A_log)
  Vector offset_, skip_;     // [heads]
  Vector norm_;              // [inner]
};

}  // namespace varve::nn
