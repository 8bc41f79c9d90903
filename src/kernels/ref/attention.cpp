#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/dtype.h"
#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

namespace {

double get(const std::byte* base, int64_t index, int64_t element) {
  if (element == 4) {
    float value;
    std::memcpy(&value, base + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, base + index * 2, 2);
  return bf16_to_f32(bits);
}

/// One query head at one position.
void attend(const ops::AttentionArgs& args, const ops::KvSlice& slice, int64_t i, int64_t head) {
  const ops::KvLayout& layout = args.layout;
  const int64_t position = slice.position + i, row = slice.begin + i;
  const int64_t first = args.first_seen(position);
  const int64_t kv_head = head / (args.heads / layout.kv_heads);
  const float* q = args.q + row * args.q_stride + head * layout.head_dim;
  std::vector<double> weights;
  double largest = args.sinks ? double{args.sinks[head]} : -INFINITY;
  for (int64_t p = first; p <= position; ++p) {
    const std::byte* keys =
        slice.table.pages[static_cast<size_t>(p / ops::kPageTokens)] + kv_head * layout.key_head_bytes();
    double score = 0;
    for (int64_t d = 0; d < layout.head_dim; ++d)
      score += q[d] * get(keys, layout.key_index(p % ops::kPageTokens, d), layout.element);
    score *= double{args.scale};
    if (args.softcap > 0) score = args.softcap * std::tanh(score / args.softcap);
    if (args.slopes) score += double{args.slopes[head]} * static_cast<double>(p - position);
    weights.push_back(score);
    largest = std::max(largest, score);
  }
  double sum = args.sinks ? std::exp(args.sinks[head] - largest) : 0.0;
  for (double& weight : weights) sum += weight = std::exp(weight - largest);
  std::vector<double> out(static_cast<size_t>(layout.value_dim), 0.0);
  for (int64_t p = first; p <= position; ++p) {
    const std::byte* values = slice.table.pages[static_cast<size_t>(p / ops::kPageTokens)] +
                              layout.key_bytes() + kv_head * layout.value_head_bytes();
    const double weight = weights[static_cast<size_t>(p - first)] / sum;
    for (size_t d = 0; d < out.size(); ++d)
      out[d] += weight * get(values, layout.value_index(p % ops::kPageTokens, static_cast<int64_t>(d)),
                             layout.element);
  }
  float* y = args.out + row * args.out_stride + head * layout.value_dim;
  for (size_t d = 0; d < out.size(); ++d) y[d] = static_cast<float>(out[d]);
}

}  // namespace

void attention(const ops::AttentionArgs& args, AttentionWorkspace&, ThreadPool& pool) {
  for (const ops::KvSlice& slice : args.slices) {
    pool.for_ranges(slice.count * args.heads, [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit)
        attend(args, slice, unit / args.heads, unit % args.heads);
    });
  }
}

}  // namespace varve::kernels::ref
