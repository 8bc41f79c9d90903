#include "core/dtype.h"
#include "op_support.h"

namespace varve::kernels::test {
namespace {

class KvAppend : public EveryTable {};
VARVE_EVERY_TABLE(KvAppend);

float stored(const std::byte* base, int64_t index, int64_t element) {
  if (element == 4) {
    float value;
    std::memcpy(&value, base + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, base + index * 2, 2);
  return bf16_to_f32(bits);
}

TEST_P(KvAppend, EveryNumberLiesWhereTheLayoutSays) {
  for (const int64_t element : {2, 4}) {
    for (const auto& [head_dim, value_dim] :
         {std::pair<int64_t, int64_t>{8, 8}, {64, 64}, {80, 96}, {6, 18}}) {
      const ops::KvLayout layout{
          .kv_heads = 3, .head_dim = head_dim, .value_dim = value_dim, .element = element};
      const int32_t length = 45;
      const Pages pages(layout, {length, 20}, 5, 0xff);
      const int64_t k_stride = 3 * head_dim + 2, v_stride = 3 * value_dim + 1;
      const auto k = random_floats(static_cast<size_t>(100 * k_stride), 1);
      const auto v = random_floats(static_cast<size_t>(100 * v_stride), 2);
      // Sequence 0 arrives in uneven steps that begin and end inside pages and pairs.
      int32_t position = 0;
      for (const int32_t count : {1, 1, 5, 14, 2, 16, 6}) {
        const std::vector<ops::KvSlice> slices = {pages.slice(0, position, count, position)};
        const ops::KvAppendArgs args{.layout = layout,
                                     .slices = slices,
                                     .k = k.data(),
                                     .k_stride = k_stride,
                                     .v = v.data(),
                                     .v_stride = v_stride};
        kernels().kv_append(args, slices[0]);
        position += count;
        // The half of a value pair that is still to come reads as zero.
        if (position % 2 == 1) {
          const std::byte* page = slices[0].table.pages[static_cast<size_t>(position / 16)];
          EXPECT_EQ(stored(page + layout.key_bytes(), layout.value_index(position % 16, 0), element), 0.0f);
        }
      }
      ASSERT_EQ(position, length);
      const ops::KvSlice all = pages.slice(0, 0, length, 0);
      for (int64_t p = 0; p < length; ++p) {
        const std::byte* page = all.table.pages[static_cast<size_t>(p / 16)];
        for (int64_t head = 0; head < 3; ++head) {
          for (int64_t d = 0; d < head_dim; ++d) {
            const float x = k[static_cast<size_t>(p * k_stride + head * head_dim + d)];
            ASSERT_EQ(stored(page + head * layout.key_head_bytes(), layout.key_index(p % 16, d), element),
                      element == 4 ? x : bf16_to_f32(f32_to_bf16(x)))
                << "key " << p << " " << head << " " << d;
          }
          for (int64_t d = 0; d < value_dim; ++d) {
            const float x = v[static_cast<size_t>(p * v_stride + head * value_dim + d)];
            ASSERT_EQ(stored(page + layout.key_bytes() + head * layout.value_head_bytes(),
                             layout.value_index(p % 16, d), element),
                      element == 4 ? x : bf16_to_f32(f32_to_bf16(x)))
                << "value " << p << " " << head << " " << d;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace varve::kernels::test
