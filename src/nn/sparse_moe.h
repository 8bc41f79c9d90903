#pragma once
// "sparse_moe": each row goes through its top-k experts, each a gated MLP (Shazeer et al. 2017), and where
// there is one through an expert that all rows share (Dai et al. 2024, DeepSeekMoE).
#include <memory>

#include "nn/gated_mlp.h"
#include "nn/router.h"

namespace varve::nn {

class SparseMoe : public FeedForward {
 public:
  struct Params {
    Router::Params router;
    int64_t inner = 0;
    Gate gate;
    std::string weighed = "output";
    int64_t shared_inner = 0;
    std::string shared_gate = "none";
    template <class V>
    void visit(V& v) {
      router.visit(v);
      v.required("inner", inner, "width inside an expert");
      gate.visit(v);
      v.choice("weighed", weighed, {"output", "input"}, "what an expert's weight multiplies");
      v.optional("shared_inner", shared_inner, "width inside the shared expert; 0: there is none");
      v.choice("shared_gate", shared_gate, {"none", "sigmoid"}, "factor of the shared expert");
    }
  };
  SparseMoe(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  struct Grouping;
  Grouping group_by_expert(Workspace& work, const int32_t* chosen, int64_t choices) const;
  float* gated(Forward& at, const Grouping& g, const ops::Rows& x, const int32_t* rows) const;
  const float* weigh_input(Forward& at, const Grouping& g, const ops::Rows& x, float* weights) const;
  void add_shared(Forward& at, const ops::Rows& x, const Into& out) const;

  Params params_;
  int64_t hidden_;
  Router router_;
  ExpertLinear gate_, up_, down_;
  std::unique_ptr<GatedMlp> shared_;
  Linear shared_gate_;  // [1, hidden]
};

}  // namespace varve::nn
