#pragma once
// "sparse_moe": each row goes through its top-k experts, each a gated MLP (Shazeer et al. 2017).
#include "nn/block.h"

namespace varve::nn {

class SparseMoe : public FeedForward {
 public:
  struct Params {
    int64_t experts = 0;
    int64_t active = 0;
    int64_t inner = 0;
    ops::Activation activation = ops::Activation::silu;
    std::string router = "softmax_topk";
    bool renormalize = false;
    float scale = 1.0f;
    template <class V>
    void visit(V& v) {
      v.required("experts", experts, "experts of the layer");
      v.required("active", active, "experts that a row uses");
      v.required("inner", inner, "width inside an expert");
      v.optional("activation", activation, "activation of the gate");
      v.choice("router", router, {"softmax_topk", "topk_softmax"}, "softmax before or after the choice");
      v.optional("renormalize", renormalize, "chosen weights are divided by their sum");
      v.optional("scale", scale, "factor of the chosen weights");
    }
  };
  SparseMoe(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  Params params_;
  int64_t hidden_;
  Linear router_;
  ExpertLinear gate_, up_, down_;
};

}  // namespace varve::nn
