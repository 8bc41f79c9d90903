#pragma once
// "gated_mlp": down(norm(act(gate(x)) * up(x))) (Shazeer 2020, "GLU variants"); the norm only where it is
// asked for.
#include "nn/block.h"
#include "nn/gate.h"
#include "nn/inner_norm.h"

namespace varve::nn {

class GatedMlp : public FeedForward {
 public:
  struct Params {
    int64_t inner = 0;
    Gate gate;
    InnerNorm::Params inner_norm;
    std::string bias = "optional";
    std::vector<float> scales;
    template <class V>
    void visit(V& v) {
      v.required("inner", inner, "width between the projections");
      gate.visit(v);
      inner_norm.visit(v);
      v.choice("bias", bias, {"optional", "required", "absent"}, "biases of the projections");
      v.optional("scales", scales, "factors of the gate before its activation, and of the result; empty: 1");
    }
  };
  GatedMlp(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override { bind_as(binder, "mlp"); }
  /// Under another name than "mlp".
  void bind_as(Binder& binder, std::string_view name);
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  Params params_;
  int64_t hidden_;
  float gate_scale_ = 1.0f, output_scale_ = 1.0f;
  InnerNorm inner_norm_;
  Linear gate_, up_, down_;
};

}  // namespace varve::nn
