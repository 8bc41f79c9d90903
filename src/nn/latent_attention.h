#pragma once
// "latent_attention": Multi-head Latent Attention (DeepSeek-AI 2024, arXiv 2405.04434, section 2.1). Keys and
// values of all heads are linear in one small vector of a position, its latent, and share one rotary key;
// only these two are remembered.
//   c = norm(x Wc), k = rotate(x Wk)               both of all heads: kv_a_proj_with_mqa holds Wc and Wk
//   q = x Wq, or norm(x Wqa) Wqb                   of each head [plain | rotary]
// Computed in the absorbed form, one way for any number of rows: a head's plain query goes into latent space
// (embed_q, the transpose of its key matrix), attention runs there with one KV head whose key is [c | k] and
// whose value is c, and unembed_out, the head's value matrix, leads what came out to the head's output. Then
// o_proj.
//
// A page holds [c | k] as keys and c once more as values: attention reads the two in different orders
// (ops/kv_layout.h), so the latent lies there twice, (2 * latent + rotary_dim) numbers a token.
#include <string>

#include "nn/block.h"
#include "nn/rope.h"

namespace varve::nn {

class LatentAttention : public Mixer {
 public:
  struct Params {
    int64_t heads = 0;
    int64_t latent = 0;
    int64_t query_latent = 0;
    int64_t plain_dim = 0;
    int64_t rotary_dim = 0;
    int64_t value_dim = 0;
    float scale = 0.0f;
    float norm_eps = 1e-6f;
    std::string bias = "optional";
    std::string output_bias = "optional";
    Table rope;
    template <class V>
    void visit(V& v) {
      v.required("heads", heads, "query heads");
      v.required("latent", latent, "width of the latent that keys and values are made from; even");
      v.optional("query_latent", query_latent, "width of the queries' latent; 0: q_proj makes them from x");
      v.required("plain_dim", plain_dim, "part of a head's query and key that is not rotated");
      v.required("rotary_dim", rotary_dim, "part that is; its key is that of all heads; even");
      v.required("value_dim", value_dim, "width of a head's output");
      v.optional("scale", scale,
                 "factor of q.k; 0: 1/sqrt(plain_dim + rotary_dim), times what rope.mscale_all_dim asks for");
      v.optional("norm_eps", norm_eps, "eps of the latents' norms");
      v.choice("bias", bias, {"optional", "required", "absent"}, "biases of q_a_proj and kv_a_proj_with_mqa");
      v.choice("output_bias", output_bias, {"optional", "required", "absent"}, "bias of o_proj");
      v.optional("rope", rope, "rotary embedding: see its own table of parameters");
    }
  };
  LatentAttention(const Params& params, const BlockInit& init);
  void bind(Binder& binder) override;
  StateNeed state(ops::Precision precision) const override;
  void forward(Forward& at, const ops::Rows& x, const Into& out) const override;

 private:
  ops::KvLayout layout(ops::Precision precision) const;
  int64_t query_width() const { return params_.heads * (params_.plain_dim + params_.rotary_dim); }
  int64_t key_width() const { return params_.latent + params_.rotary_dim; }
  void project(Forward& at, const ops::Rows& x, float* q, float* key) const;
  void rotate(Forward& at, float* q, float* key) const;

  Params params_;
  int64_t hidden_;
  bool interleaved_ = false;
  int rope_ = -1;            // index into RopeTables; -1: none
  Linear q_, q_a_;           // q_ makes queries from x, or from the queries' latent
  Vector q_norm_, kv_norm_;  // [query_latent], [latent]
  Linear kv_a_;              // [latent + rotary_dim, hidden]
  ExpertLinear embed_q_;     // of each head [latent, plain_dim]
  ExpertLinear unembed_;     // of each head [value_dim, latent]
  Linear o_;                 // [hidden, heads * value_dim]
};

}  // namespace varve::nn
