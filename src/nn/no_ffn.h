#pragma once
// "none": no feed-forward, for layers whose wiring has none.
#include <algorithm>

#include "nn/block.h"

namespace varve::nn {

class NoFfn : public FeedForward {
 public:
  struct Params {
    template <class V>
    void visit(V& /*v*/) {}
  };
  NoFfn(const Params& /*params*/, const BlockInit& /*init*/) {}
  bool is_nothing() const override { return true; }
  void bind(Binder& /*binder*/) override {}
  void forward(Forward& /*at*/, const ops::Rows& x, const Into& out) const override {
    if (out.accumulate) return;
    for (int64_t r = 0; r < x.rows; ++r) std::fill_n(out.y + r * out.stride, x.cols, 0.0f);
  }
};

}  // namespace varve::nn
