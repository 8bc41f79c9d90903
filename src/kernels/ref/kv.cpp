#include <cstring>

#include "core/dtype.h"
#include "kernels/ref/ref.h"

namespace varve::kernels::ref {

namespace {

void put(std::byte* base, int64_t index, int64_t element, float value) {
  if (element == 4) {
    std::memcpy(base + index * 4, &value, 4);
  } else {
    const uint16_t bits = f32_to_bf16(value);
    std::memcpy(base + index * 2, &bits, 2);
  }
}

}  // namespace

void kv_append(const ops::KvAppendArgs& args, const ops::KvSlice& part) {
  const ops::KvLayout& layout = args.layout;
  for (int64_t i = 0; i < part.count; ++i) {
    const int64_t row = part.begin + i, position = part.position + i, token = position % ops::kPageTokens;
    std::byte* page = part.table.pages[static_cast<size_t>(position / ops::kPageTokens)];
    for (int64_t head = 0; head < layout.kv_heads; ++head) {
      std::byte* keys = page + head * layout.key_head_bytes();
      std::byte* values = page + layout.key_bytes() + head * layout.value_head_bytes();
      const float* k = args.k + row * args.k_stride + head * layout.head_dim;
      const float* v = args.v + row * args.v_stride + head * layout.value_dim;
      for (int64_t d = 0; d < layout.head_dim; ++d)
        put(keys, layout.key_index(token, d), layout.element, k[d]);
      for (int64_t d = 0; d < layout.value_dim; ++d) {
        put(values, layout.value_index(token, d), layout.element, v[d]);
        // The pair's second half is still unwritten: whatever a used page holds there must not be read as a
        // number that spoils a product with zero.
        if (token % 2 == 0) put(values, layout.value_index(token + 1, d), layout.element, 0.0f);
      }
    }
  }
}

}  // namespace varve::kernels::ref
