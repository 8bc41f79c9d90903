#pragma once
// "gated_delta": linear attention by the gated delta rule (Yang, Kautz, Hatamizadeh 2024).
//   q, k, v = act(conv(x Wq, x Wk, x Wv));  q, k of length 1 in each head, q divided by sqrt(key_dim)
//   y = the rule over g, beta from x Wa, x Wb (ops::DeltaScanArgs);  norm of each head times silu(x Wz); Wout
// A sequence remembers the convolution's last inputs and one matrix [key_dim, value_dim] per value head.
#include "nn/block.h"
#include "nn/short_conv.h"

namespace varve::nn {

class GatedDelta : public Mixer {
 public:
  struct Params {
    int64_t key_heads = 0;
    int64_t value_heads = 0;
    int64_t key_dim = 0;
    int64_t value_dim = 0;
    int64_t conv_width = 4;
    ops::Activation activation = ops::Activation::silu;
    float eps = 1e-6f;
    template <class V>
    void visit(V& v) {
      v.required("key_heads", key_heads, "heads of queries and keys");
      v.required("value_heads", value_heads, "heads of values; a multiple of key_heads");
      v.required("key_dim", key_dim, "width of a query's or key's head");
      v.required("value_dim", value_dim, "width of a value's head");
      v.optional("conv_width", conv_width, "positions that the convolution sees, the row itself included");
      v.optional("activation", activation, "activation after the convolution");
      v.optional("eps", eps, "of the norm of each head");
    }
  };
  GatedDelta(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  struct Rows;
  void project(Forward& at, const ops::Rows& x, const Rows& to) const;
  void normalise_queries_and_keys(Forward& at, const Rows& of) const;
  void scan(Forward& at, const Rows& of, float* y) const;

  int64_t keys() const { return params_.key_heads * params_.key_dim; }
  int64_t values() const { return params_.value_heads * params_.value_dim; }
  int64_t channels() const { return 2 * keys() + values(); }
  ops::DeltaLayout layout() const;

  Params params_;
  int64_t hidden_;
  Linear q_, k_, v_, z_, b_, a_, out_;
  ShortConv conv_;                        // of the channels of q, k, v
  Vector offset_;                         // [value_heads]
  Vector norm_;                           // [value_dim]
  std::vector<float> rate_;               // [value_heads], -exp(A_log)
  std::vector<float> q_scale_, k_scale_;  // [key_dim], from a root mean square of 1 to the length
};

}  // namespace varve::nn
