#pragma once
// A norm just before a block's last projection ("sub-norm": Wang et al. 2022, "Foundation Transformers").
#include <memory>
#include <string>

#include "nn/block.h"

namespace varve::nn {

class InnerNorm {
 public:
  struct Params {
    std::string kind = "none";
    float eps = 1e-6f;
    template <class V>
    void visit(V& v) {
      v.choice("inner_norm", kind, {"none", "rms_norm", "layer_norm"}, "norm before the last projection");
      v.optional("inner_norm_eps", eps, "eps of that norm");
    }
  };
  /// For rows of `columns`.
  InnerNorm(const Params& params, int64_t columns);
  /// inner_norm.weight [columns], and inner_norm.bias of a layer norm if it is there.
  void bind(Binder& binder);
  /// In place; x [rows, columns]. Nothing happens where there is no such norm.
  void forward(ops::Backend& backend, float* x, int64_t rows) const;

 private:
  int64_t columns_;
  std::unique_ptr<Norm> norm_;
};

}  // namespace varve::nn
