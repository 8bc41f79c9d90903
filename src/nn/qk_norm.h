#pragma once
// Norms of queries and keys inside attention, over the heads of a row.
//   head  each head by itself, one weight [head_dim] for all
//   each  each head by itself, every head its own weight [heads, head_dim]
//   full  all heads of the row together, weight [heads * head_dim]
#include <memory>
#include <string>

#include "nn/block.h"

namespace varve::nn {

class QkNorm {
 public:
  struct Params {
    std::string over = "none";
    std::string kind = "rms_norm";
    std::string at = "before_rope";
    float eps = 1e-6f;
    template <class V>
    void visit(V& v) {
      v.choice("qk_norm", over, {"none", "head", "each", "full"},
               "norm of q and k: per head with one weight, per head with a weight each, over all heads");
      v.choice("qk_norm_kind", kind, {"rms_norm", "layer_norm", "unit_rms"},
               "which norm; unit_rms has no weight");
      v.choice("qk_norm_at", at, {"before_rope", "after_rope"}, "before or after the rotary embedding");
      v.optional("qk_norm_eps", eps, "eps of that norm");
    }
  };
  /// For rows of `heads` heads of `head_dim`.
  QkNorm(const Params& params, int64_t heads, int64_t head_dim);
  /// `name`.weight, and `name`.bias of a layer norm if it is there.
  void bind(Binder& binder, std::string_view name);
  /// In place; x [rows, heads * head_dim].
  void forward(ops::Backend& backend, float* x, int64_t rows) const;

 private:
  struct Shape {
    int64_t rows, cols, stride;
  };
  void normalise(ops::Backend& backend, float* y, const Shape& shape, int64_t offset) const;

  Params params_;
  int64_t heads_, head_dim_;
  Vector weight_, bias_;
};

}  // namespace varve::nn
