#pragma once
// Which experts a row goes through, and with what weight: a linear layer's logits, then ops::RouteArgs.
#include <string>

#include "nn/block.h"

namespace varve::nn {

class Router {
 public:
  struct Params {
    int64_t experts = 0;
    int64_t active = 0;
    std::string kind = "softmax_topk";
    bool renormalize = false;
    float scale = 1.0f;
    std::string correction = "absent";
    int64_t groups = 1;
    int64_t groups_kept = 1;
    int64_t group_best = 1;
    template <class V>
    void visit(V& v) {
      v.required("experts", experts, "experts of the layer");
      v.required("active", active, "experts that a row uses");
      v.choice("router", kind, {"softmax_topk", "topk_softmax", "sigmoid_topk"},
               "what makes logits into weights, before or after the choice");
      v.optional("renormalize", renormalize, "chosen weights are divided by their sum");
      v.optional("scale", scale, "factor of the chosen weights");
      v.choice("correction", correction, {"optional", "required", "absent"},
               "a bias on scores for the choice alone: mlp.router.correction");
      v.optional("groups", groups, "experts stand in so many groups");
      v.optional("groups_kept", groups_kept, "groups that a row may choose from");
      v.optional("group_best", group_best, "best experts of a group that are summed for its worth");
    }
  };
  Router(const Params& params, int64_t hidden);
  /// mlp.router.weight [experts, hidden], bias [experts]; mlp.router.correction [experts].
  void bind(Binder& binder);

  /// For each row `active` experts and weights, the best first. Lives in `at.work`.
  struct Choice {
    int32_t* experts = nullptr;  // [rows, active]
    float* weights = nullptr;    // [rows, active]
  };
  Choice choose(Forward& at, const ops::Rows& x) const;

 private:
  Params params_;
  int64_t hidden_;
  Linear linear_;
  Vector correction_;  // [experts]
};

}  // namespace varve::nn
