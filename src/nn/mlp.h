#pragma once
// "mlp": down(act(up(x))), two matrices (Vaswani et al. 2017).
#include "nn/block.h"

namespace varve::nn {

class Mlp : public FeedForward {
 public:
  struct Params {
    int64_t inner = 0;
    ops::Activation activation = ops::Activation::gelu;
    std::string bias = "optional";
    template <class V>
    void visit(V& v) {
      v.required("inner", inner, "width between the projections");
      v.optional("activation", activation, "activation between them");
      v.choice("bias", bias, {"optional", "required", "absent"}, "biases of the projections");
    }
  };
  Mlp(const Params& params, const BlockInit& init) : params_(params), hidden_(init.hidden) {}
  void bind(Binder& binder) override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  Params params_;
  int64_t hidden_;
  Linear up_, down_;
};

}  // namespace varve::nn
