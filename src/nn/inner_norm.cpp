#include "nn/inner_norm.h"

namespace varve::nn {

InnerNorm::InnerNorm(const Params& params, int64_t columns) : columns_(columns) {
  if (params.kind == "none") return;
  BlockSpec spec{.block = params.kind, .params = {}};
  spec.params.set("eps", static_cast<double>(params.eps));
  norm_ = make_norm(spec, {.params = spec.params, .columns = columns});
}

void InnerNorm::bind(Binder& binder) {
  if (norm_) norm_->bind(binder, "inner_norm");
}

void InnerNorm::forward(ops::Backend& backend, float* x, int64_t rows) const {
  if (norm_)
    norm_->forward(backend, {.data = x, .rows = rows, .cols = columns_, .stride = columns_}, x, columns_);
}

}  // namespace varve::nn
