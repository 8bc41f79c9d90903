#pragma once
// "attention": grouped-query attention over paged keys and values (Ainslie et al. 2023).
//   q = norm(x Wq), k = norm(x Wk), v = x Wv; rotate q and k; append k, v; softmax(scale q k') v; Wo
#include <memory>
#include <string>

#include "nn/block.h"
#include "nn/rope.h"

namespace varve::nn {

class Attention : public Mixer {
 public:
  struct Params {
    int64_t heads = 0;
    int64_t kv_heads = 0;
    int64_t head_dim = 0;
    float scale = 0.0f;
    int64_t window = 0;
    float softcap = 0.0f;
    std::string qk_norm = "none";
    float qk_norm_eps = 1e-6f;
    bool sinks = false;
    std::string bias = "optional";
    std::string output_bias = "optional";
    Table rope;
    template <class V>
    void visit(V& v) {
      v.required("heads", heads, "query heads");
      v.required("kv_heads", kv_heads, "key/value heads; divides heads");
      v.required("head_dim", head_dim, "width of a head");
      v.optional("scale", scale, "factor of q.k; 0: 1/sqrt(head_dim)");
      v.optional("window", window, "positions a query sees, itself included; 0: all");
      v.optional("softcap", softcap, "scores become softcap * tanh(score / softcap); 0: none");
      v.choice("qk_norm", qk_norm, {"none", "head", "full"},
               "RMS norm of q and k, per head or over all heads");
      v.optional("qk_norm_eps", qk_norm_eps, "eps of that norm");
      v.optional("sinks", sinks, "one learned logit per head joins the softmax");
      v.choice("bias", bias, {"optional", "required", "absent"}, "biases of q_proj, k_proj, v_proj");
      v.choice("output_bias", output_bias, {"optional", "required", "absent"}, "bias of o_proj");
      v.optional("rope", rope, "rotary embedding: see its own table of parameters");
    }
  };
  Attention(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  ops::KvLayout layout(ops::Precision precision) const;
  void normalise_and_rotate(Forward& at, float* x, int64_t heads, const Norm* norm) const;

  Params params_;
  int64_t hidden_;
  int64_t rope_dims_ = 0;
  bool rope_interleaved_ = false;
  int rope_ = -1;  // index into RopeTables; -1: none
  std::unique_ptr<Norm> q_norm_, k_norm_;
  Linear q_, k_, v_, o_;
  Vector sinks_;  // [heads]
};

/// "optional" | "required" | "absent", as a block's parameter says it.
Presence presence_from(std::string_view word);

}  // namespace varve::nn
