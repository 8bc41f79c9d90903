#pragma once
// The op table: what a backend implements, and nothing else. Each op is one struct of arguments with its
// contract; all matrices are row-major float32 unless said otherwise; `rows` are tokens of the step.
//
// One answer (design rule 5): each output element is computed by a fixed sequence of floating-point
// operations that depends on the weights and on that row's own inputs alone. A backend may choose any
// blocking as long as the bits do not depend on the number of rows, on threads or on page placement.
#include <cstdint>
#include <span>

#include "core/thread_pool.h"
#include "ops/delta_layout.h"
#include "ops/kv_layout.h"
#include "ops/weight.h"

namespace varve::ops {

/// exact: activations and KV in float32, weights as stored. fast: activations in int8 per group against
/// quantised weights, in bf16 against 16-bit weights; KV in bf16.
enum class Precision : uint8_t { exact, fast };

enum class Activation : uint8_t {
  silu,  // x sigmoid(x)
  gelu,
  gelu_tanh,
  quick_gelu,  // x sigmoid(1.702 x)
  relu,
  relu_squared,
  sigmoid,
  tanh,
  identity
};

/// x [rows, cols] with a row stride in elements.
struct Rows {
  const float* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;
};

/// out[i] = scale * table[ids[i]]; ids must be in range (checked by the caller).
struct EmbedArgs {
  const PackedWeight* table = nullptr;
  std::span<const int32_t> ids;
  float scale = 1.0f;
  float* out = nullptr;  // [ids, table->cols]
};

/// y = W x (+ bias), W [out, in]; `accumulate`: y += W x + bias (the residual add).
struct LinearOut {
  const PackedWeight* weight = nullptr;
  const float* bias = nullptr;  // [out] or null
  float* y = nullptr;
  int64_t y_stride = 0;
  bool accumulate = false;
};

/// Several matrices against the same rows: the rows are quantised once per activation format.
/// `fine`: where `fast` would keep activations in 8 bits it keeps them in 16. For the output matrix, whose
/// error goes straight into the logits.
struct LinearArgs {
  Rows x;
  std::span<const LinearOut> outs;
  bool fine = false;
};

/// One expert's share of a step: its rows of x (indices), its matrix, its rows of y (same order).
struct ExpertSlice {
  const PackedWeight* weight = nullptr;
  const float* bias = nullptr;    // [out] or null
  std::span<const int32_t> rows;  // row of x for each row of this slice
  float* y = nullptr;             // [rows.size(), y_stride]
};

/// The grouped linear of a mixture of experts: every slice independent, the same bits as LinearArgs.
struct ExpertLinearArgs {
  Rows x;
  std::span<const ExpertSlice> slices;
  int64_t y_stride = 0;
};

/// RMS norm: y = x / sqrt(mean(x^2) + eps) * weight; Zhang and Sennrich 2019.
/// `group` > 0 normalises each run of `group` columns by itself (norms per head), weight [group].
struct RmsNormArgs {
  Rows x;
  const float* weight = nullptr;  // [cols or group]; null: no weight
  float eps = 1e-6f;
  int64_t group = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
};

/// Layer norm: y = (x - mean) / sqrt(var + eps) * weight + bias; Ba et al. 2016.
struct LayerNormArgs {
  Rows x;
  const float* weight = nullptr;
  const float* bias = nullptr;  // may be null
  float eps = 1e-5f;
  float* y = nullptr;
  int64_t y_stride = 0;
};

/// Rotary embedding in place on the first `dims` of each head (Su et al. 2021).
/// angle(row, i) = cos/sin tables [rows, dims/2], already scaled. interleaved: pairs (2i, 2i+1), else
/// (i, i + dims/2).
struct RopeArgs {
  float* x = nullptr;  // [rows, stride], heads x head_dim within a row
  int64_t rows = 0;
  int64_t stride = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t dims = 0;
  bool interleaved = false;
  const float* cos = nullptr;
  const float* sin = nullptr;
};

/// The pages of one sequence: page p holds positions [16p, 16p+16).
struct PageTable {
  std::span<std::byte* const> pages;  // this layer's part of each page
};

/// Which rows of the step belong to which sequence: rows [begin, begin+count) at positions
/// [position, position+count).
struct KvSlice {
  int32_t begin = 0;
  int32_t count = 0;
  int32_t position = 0;
  PageTable table;
};

/// Writes k and v rows into their pages.
struct KvAppendArgs {
  KvLayout layout;
  std::span<const KvSlice> slices;
  const float* k = nullptr;  // [rows, k_stride], kv_heads x head_dim
  int64_t k_stride = 0;
  const float* v = nullptr;  // [rows, v_stride], kv_heads x value_dim
  int64_t v_stride = 0;
};

/// Paged attention (Vaswani et al. 2017; pages after Kwon et al. 2023). Row at position p sees positions
/// (p - window, p] (window 0: all of [0, p]), and of those the ones in its own run of `chunk` positions
/// (chunk 0: all); query head h reads KV head h / (heads / kv_heads).
/// score = scale * q.k, then softcap * tanh(score / softcap) when softcap > 0, then plus slopes[h] times the
/// key's position less the row's (ALiBi, Press et al. 2022); a sink adds exp(sink[h]) to the softmax's sum.
/// Keys and values of the rows themselves are in the pages already.
struct AttentionArgs {
  KvLayout layout;
  std::span<const KvSlice> slices;
  const float* q = nullptr;  // [rows, q_stride], heads x head_dim
  int64_t q_stride = 0;
  int64_t heads = 0;
  float scale = 1.0f;
  int64_t window = 0;
  int64_t chunk = 0;
  float softcap = 0.0f;
  const float* slopes = nullptr;  // [heads] or null
  const float* sinks = nullptr;   // [heads] or null
  float* out = nullptr;           // [rows, out_stride], heads x value_dim
  int64_t out_stride = 0;

  /// The first position that a row at `position` sees.
  int64_t first_seen(int64_t position) const {
    const int64_t by_window = window > 0 && position >= window ? position - window + 1 : 0;
    const int64_t by_chunk = chunk > 0 ? position - position % chunk : 0;
    return by_window > by_chunk ? by_window : by_chunk;
  }
};

/// out = act(gate) * (up + up_offset), element by element; up null: out = act(gate). In place (out == gate)
/// allowed. limit > 0 clamps before: gate to at most limit, up to [-limit, limit]. `slope` is silu's alone:
/// x sigmoid(slope x).
struct GatedArgs {
  const float* gate = nullptr;
  int64_t gate_stride = 0;
  const float* up = nullptr;
  int64_t up_stride = 0;
  int64_t rows = 0;
  int64_t cols = 0;
  Activation activation = Activation::silu;
  float slope = 1.0f;
  float limit = 0.0f;
  float up_offset = 0.0f;
  float* out = nullptr;
  int64_t out_stride = 0;
};

/// The slope with which silu is quick_gelu (Hendrycks and Gimpel 2016).
inline constexpr float kQuickGeluSlope = 1.702f;

/// y = alpha * x + beta * y over [rows, cols]; beta 0 does not read y.
struct AxpbyArgs {
  Rows x;
  float alpha = 1.0f;
  float beta = 1.0f;
  float* y = nullptr;
  int64_t y_stride = 0;
};

/// x = cap * tanh(x / cap) in place over [rows, cols].
struct SoftcapArgs {
  float* x = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;
  float cap = 0.0f;
};

/// Top-k routing of a mixture of experts, one row of router logits per token.
///   softmax_topk  scores are probabilities over all experts, the k largest taken (ties: the lower index)
///   topk_softmax  the k largest logits, softmax over those
///   sigmoid_topk  scores are sigmoids of the logits, the k largest taken
/// The weights of the chosen are their scores, divided by their sum when `renormalize`, times `scale`. Chosen
/// experts stand in order of falling rank. With `bias` or `groups` (not of topk_softmax) the rank of an
/// expert is its score plus its bias, and only experts of the `groups_kept` best groups are taken: experts
/// stand in `groups` equal runs, and a run is worth the sum of its `group_best` best ranks (DeepSeek-AI
/// 2024).
struct RouteArgs {
  enum class Kind : uint8_t { softmax_topk, topk_softmax, sigmoid_topk };
  Rows logits;  // [rows, experts]
  Kind kind = Kind::softmax_topk;
  int64_t active = 0;
  bool renormalize = false;
  float scale = 1.0f;
  const float* bias = nullptr;  // [experts] or null
  int64_t groups = 1;           // divides experts
  int64_t groups_kept = 1;      // their experts are at least `active`
  int64_t group_best = 1;       // at most the experts of a group
  /// The k largest logits are the choice.
  bool plain_choice() const { return !bias && groups_kept >= groups; }
  int32_t* experts = nullptr;  // [rows, active]
  float* weights = nullptr;    // [rows, active]
};

/// y[row] += sum over j of weights[row, j] * x[slot[row, j]], j in order: puts experts' outputs back.
struct CombineArgs {
  const float* x = nullptr;  // [slots, cols]
  int64_t cols = 0;
  int64_t rows = 0;
  int64_t active = 0;
  const int32_t* slots = nullptr;  // [rows, active]
  const float* weights = nullptr;  // [rows, active]
  float* y = nullptr;
  int64_t y_stride = 0;
};

/// Which rows of the step belong to which sequence, and what the layer remembers of it.
struct StateSlice {
  int32_t begin = 0;
  int32_t count = 0;
  int32_t position = 0;
  std::byte* state = nullptr;
};

/// A convolution of each channel with its own last inputs: y = bias + sum over j of weight[j] x[row - width +
/// 1
/// + j]. Inputs before the slice are those of its state, which then remembers the slice's last ones.
struct CausalConvArgs {
  std::span<const StateSlice> slices;  // state: float32 [width - 1, cols], the oldest first
  int64_t cols = 0;
  int64_t width = 0;
  const float* x = nullptr;  // [rows, x_stride]
  int64_t x_stride = 0;
  const float* weight = nullptr;  // [width, cols]
  const float* bias = nullptr;    // [cols] or null
  float* y = nullptr;             // [rows, y_stride]; not x
  int64_t y_stride = 0;
};

/// The gated delta rule, token after token (Yang, Kautz, Hatamizadeh 2024). For each value head, with the q
/// and k of its key head and its own v, a, b, the state S [key_dim, value_dim] becomes
///   S = g S + k (beta (v - g S' k))',  g = exp(rate softplus(a + offset)),  beta = sigmoid(b)
/// and y = S' q. q and k come normalised and scaled.
struct DeltaScanArgs {
  std::span<const StateSlice> slices;  // state: DeltaLayout
  DeltaLayout layout;
  const float* q = nullptr;  // [rows, qkv_stride], key_heads x key_dim
  const float* k = nullptr;  // [rows, qkv_stride], key_heads x key_dim
  const float* v = nullptr;  // [rows, qkv_stride], value_heads x value_dim
  int64_t qkv_stride = 0;
  const float* a = nullptr;  // [rows, gate_stride], value_heads
  const float* b = nullptr;  // [rows, gate_stride], value_heads
  int64_t gate_stride = 0;
  const float* rate = nullptr;    // [value_heads], not above 0
  const float* offset = nullptr;  // [value_heads]
  float* y = nullptr;             // [rows, y_stride], value_heads x value_dim
  int64_t y_stride = 0;
};

/// The selective state space with one decay per head, token after token (Dao and Gu 2024). For each value
/// head of the layout (key heads are its groups, keys its state), with the B and C of its group, the state S
/// [state, head_dim] becomes
///   S = exp(rate dt) S + dt B x',  dt = clamp(softplus(step + offset), dt_min, dt_max)
/// and y = S' C + skip x.
struct SsmScanArgs {
  std::span<const StateSlice> slices;  // state: DeltaLayout
  DeltaLayout layout;
  const float* x = nullptr;  // [rows, xbc_stride], heads x head_dim
  const float* b = nullptr;  // [rows, xbc_stride], groups x state
  const float* c = nullptr;  // [rows, xbc_stride], groups x state
  int64_t xbc_stride = 0;
  const float* step = nullptr;  // [rows, step_stride], heads
  int64_t step_stride = 0;
  const float* rate = nullptr;    // [heads], below 0
  const float* offset = nullptr;  // [heads]
  const float* skip = nullptr;    // [heads]
  float dt_min = 0.0f;
  float dt_max = 0.0f;  // may be infinity
  float* y = nullptr;   // [rows, y_stride], heads x head_dim
  int64_t y_stride = 0;
};

/// The real-gated linear recurrent unit (De et al. 2024), channel by channel:
///   h = a h + sqrt(1 - a^2) sigmoid(input_gate) x,  a = exp(rate sigmoid(recurrent_gate)),  y = h
/// except at position 0, where h = sigmoid(input_gate) x.
struct RgLruScanArgs {
  std::span<const StateSlice> slices;  // state: float32 [cols]
  int64_t cols = 0;
  const float* x = nullptr;  // [rows, x_stride]
  int64_t x_stride = 0;
  const float* input_gate = nullptr;      // [rows, gate_stride]
  const float* recurrent_gate = nullptr;  // [rows, gate_stride]
  int64_t gate_stride = 0;
  const float* rate = nullptr;  // [cols], not above 0
  float* y = nullptr;           // [rows, y_stride]; may be x
  int64_t y_stride = 0;
};

/// Rows of numbers as words of `format`, bit for bit as MLX 0.32.2 and later quantise them on a GPU (mlx,
/// backend/metal/kernels/quantized.h and fp_quantized.h; its CPU path differs in groups without a positive
/// number, in ties and in the signs of zeros). Numbers are float32 here, and every step rounds once.
///   affine  low = min(w), top = max(0, w), width = max((top - low) / (2^bits - 1), 1e-7); the edge is low
///   where
///           |low| > top, else top; n = round(|edge| / width); scale = |edge| / n, bias = edge, but width and
///           0 where n is 0; the scale is negative unless the edge is low; code = min(round((w - bias) /
///           scale), 2^bits - 1). round takes halves away from zero. Codes are made with the unrounded scale
///           and bias, which are then stored in format.dtype.
///   mxfp4, mxfp8  scale = the smallest 2^n >= max|w| / 6 (448), code = the nearest to w / scale
///   nvfp4   scale = the E4M3 number nearest to max|w| / 6, code = the nearest to w * (1 / scale); a scale of
///   0
///           makes every code 0 with the sign of w
/// `nearest` takes ties to the even code and stops at the largest number.
struct QuantizeArgs {
  const std::byte* rows = nullptr;  // [count, cols] of f32, f16 or bf16, row-major; may be unaligned
  DType dtype = DType::f32;
  int64_t count = 0;
  int64_t cols = 0;             // a multiple of format.group
  WeightFormat format;          // numbers are rounded to format.dtype first, whatever the encoding
  std::byte* words = nullptr;   // [count, cols * bits / 8] bytes; may be unaligned, as the next two
  std::byte* scales = nullptr;  // [count, cols / group] of format.dtype for affine, else bytes
  std::byte* biases = nullptr;  // affine: as scales
};

/// Rows [row, row + count) of a matrix of a checkpoint as float32, the bits of dequantize_rows.
struct DequantizeArgs {
  WeightView weight;
  int64_t row = 0;
  int64_t count = 0;
  float* out = nullptr;  // [count, weight.cols]
};

/// A backend: the ops above, on one pool. Chosen once per process (kernels/backend.h).
class Backend {
 public:
  virtual ~Backend() = default;
  virtual void embed(const EmbedArgs& args) = 0;
  virtual void linear(const LinearArgs& args) = 0;
  virtual void expert_linear(const ExpertLinearArgs& args) = 0;
  virtual void rms_norm(const RmsNormArgs& args) = 0;
  virtual void layer_norm(const LayerNormArgs& args) = 0;
  virtual void rope(const RopeArgs& args) = 0;
  virtual void kv_append(const KvAppendArgs& args) = 0;
  virtual void attention(const AttentionArgs& args) = 0;
  virtual void gated(const GatedArgs& args) = 0;
  virtual void axpby(const AxpbyArgs& args) = 0;
  virtual void softcap(const SoftcapArgs& args) = 0;
  virtual void route(const RouteArgs& args) = 0;
  virtual void combine(const CombineArgs& args) = 0;
  virtual void causal_conv(const CausalConvArgs& args) = 0;
  virtual void delta_scan(const DeltaScanArgs& args) = 0;
  virtual void ssm_scan(const SsmScanArgs& args) = 0;
  virtual void rg_lru_scan(const RgLruScanArgs& args) = 0;
  /// -1, or the first row with a group that has no finite scale: a number in it is NaN or infinite once it is
  /// rounded, or its numbers lie further apart than the largest float32. What is written for such a group is
  /// unspecified.
  [[nodiscard]] virtual int64_t quantize(const QuantizeArgs& args) = 0;
  virtual void dequantize(const DequantizeArgs& args) = 0;
};

}  // namespace varve::ops
