#pragma once
// "attention": grouped-query attention over paged keys and values (Ainslie et al. 2023).
//   q = x Wq, k = x Wk, v = x Wv; norm and rotate q and k; append k, v; softmax(scale q k') v; its norm
// where it is asked for; Wo
// With a gate, the heads' results are multiplied by sigmoid(x Wg) before Wo (Qiu et al. 2025).
#include <optional>
#include <string>

#include "nn/block.h"
#include "nn/inner_norm.h"
#include "nn/qk_norm.h"
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
    int64_t chunk = 0;
    float softcap = 0.0f;
    QkNorm::Params qk_norm;
    InnerNorm::Params inner_norm;
    bool sinks = false;
    std::string alibi = "none";
    std::string gate = "none";
    float temperature = 0.0f;
    int64_t temperature_span = 0;
    std::string bias = "optional";
    std::string output_bias = "optional";
    Table rope;
    template <class V>
    void visit(V& v) {
      v.required("heads", heads, "query heads");
      v.required("kv_heads", kv_heads, "key/value heads; divides heads");
      v.required("head_dim", head_dim, "width of a head");
      v.optional("scale", scale, "factor of q.k; 0: 1/sqrt(head_dim)");
      v.positions("window", window, "positions a query sees, itself included; 0: all");
      v.positions("chunk", chunk, "a query sees its own run of so many positions; 0: all");
      v.optional("softcap", softcap, "scores become softcap * tanh(score / softcap); 0: none");
      qk_norm.visit(v);
      inner_norm.visit(v);
      v.optional("sinks", sinks, "one learned logit per head joins the softmax");
      v.choice("alibi", alibi, {"none", "plain", "scaled"},
               "slopes over distance join the scores, as they are or times scale");
      v.optional("temperature", temperature,
                 "queries are multiplied by 1 + temperature * log(1 + floor((position + 1) / span)); 0: not");
      v.positions("temperature_span", temperature_span, "the span of that");
      v.choice("gate", gate, {"none", "sigmoid"}, "of gate_proj: multiplies what comes before o_proj");
      v.choice("bias", bias, {"optional", "required", "absent"},
               "biases of q_proj, k_proj, v_proj, gate_proj");
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
  void rotate(Forward& at, float* x, int64_t heads) const;
  void normalise_and_rotate(Forward& at, float* q, float* k) const;
  void warm(Forward& at, float* q) const;
  void open_gate(Forward& at, float* gate, float* attended) const;

  Params params_;
  int64_t hidden_;
  int64_t rope_dims_ = 0;
  bool rope_interleaved_ = false;
  int rope_ = -1;  // index into RopeTables; -1: none
  std::optional<QkNorm> q_norm_, k_norm_;
  InnerNorm inner_norm_;
  Linear q_, k_, v_, gate_, o_;
  Vector sinks_;               // [heads]
  std::vector<float> slopes_;  // [heads], or empty
};

}  // namespace varve::nn
