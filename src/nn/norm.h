#pragma once
// Norms: "rms_norm" and "layer_norm". Weights are used as bound: a family whose files store w - 1 says so
// in its tensor transforms.
#include "nn/block.h"

namespace varve::nn {

class RmsNorm : public Norm {
 public:
  struct Params {
    float eps = 1e-6f;
    template <class V>
    void visit(V& v) {
      v.optional("eps", eps, "added to the mean square");
    }
  };
  RmsNorm(const Params& params, const BlockInit& init);
  void bind(Binder& binder, std::string_view name) override;
  void forward(ops::Backend& backend, const ops::Rows& x, float* y, int64_t y_stride) const override;

 private:
  Params params_;
  int64_t columns_;
  Vector weight_;  // [columns]
};

class LayerNorm : public Norm {
 public:
  struct Params {
    float eps = 1e-5f;
    template <class V>
    void visit(V& v) {
      v.optional("eps", eps, "added to the variance");
    }
  };
  LayerNorm(const Params& params, const BlockInit& init);
  void bind(Binder& binder, std::string_view name) override;
  void forward(ops::Backend& backend, const ops::Rows& x, float* y, int64_t y_stride) const override;

 private:
  Params params_;
  int64_t columns_;
  Vector weight_;  // [columns]
  Vector bias_;    // [columns], if the checkpoint has one
};

}  // namespace varve::nn
