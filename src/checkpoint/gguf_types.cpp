#include "checkpoint/gguf_types.h"

#include <algorithm>
#include <array>

#include "core/error.h"

namespace varve::checkpoint {

namespace {

constexpr GgufType plain(uint32_t id, std::string_view name, DType dtype, int64_t bytes) {
  return {id, name, true, dtype, BlockType::none, 1, bytes};
}
constexpr GgufType blocks(uint32_t id, std::string_view name, BlockType block, int64_t bytes) {
  return {id, name, true, DType::u8, block, is_k_block(block) ? 256 : 32, bytes};
}
constexpr GgufType unread(uint32_t id, std::string_view name) {
  return {id, name, false, DType::u8, BlockType::none, 1, 0};
}

constexpr std::array kTypes = {plain(0, "F32", DType::f32, 4),
                               plain(1, "F16", DType::f16, 2),
                               blocks(2, "Q4_0", BlockType::q4_0, 18),
                               blocks(3, "Q4_1", BlockType::q4_1, 20),
                               unread(4, "Q4_2"),
                               unread(5, "Q4_3"),
                               blocks(6, "Q5_0", BlockType::q5_0, 22),
                               blocks(7, "Q5_1", BlockType::q5_1, 24),
                               blocks(8, "Q8_0", BlockType::q8_0, 34),
                               unread(9, "Q8_1"),
                               blocks(10, "Q2_K", BlockType::q2_k, 84),
                               blocks(11, "Q3_K", BlockType::q3_k, 110),
                               blocks(12, "Q4_K", BlockType::q4_k, 144),
                               blocks(13, "Q5_K", BlockType::q5_k, 176),
                               blocks(14, "Q6_K", BlockType::q6_k, 210),
                               unread(15, "Q8_K"),
                               unread(16, "IQ2_XXS"),
                               unread(17, "IQ2_XS"),
                               unread(18, "IQ3_XXS"),
                               unread(19, "IQ1_S"),
                               unread(20, "IQ4_NL"),
                               unread(21, "IQ3_S"),
                               unread(22, "IQ2_S"),
                               unread(23, "IQ4_XS"),
                               plain(24, "I8", DType::i8, 1),
                               plain(25, "I16", DType::i16, 2),
                               plain(26, "I32", DType::i32, 4),
                               plain(27, "I64", DType::i64, 8),
                               plain(28, "F64", DType::f64, 8),
                               unread(29, "IQ1_M"),
                               plain(30, "BF16", DType::bf16, 2),
                               unread(31, "Q4_0_4_4"),
                               unread(32, "Q4_0_4_8"),
                               unread(33, "Q4_0_8_8"),
                               unread(34, "TQ1_0"),
                               unread(35, "TQ2_0"),
                               unread(36, "IQ4_NL_4_4"),
                               unread(37, "IQ4_NL_4_8"),
                               unread(38, "IQ4_NL_8_8"),
                               blocks(39, "MXFP4", BlockType::mxfp4, 17)};

}  // namespace

const GgufType* gguf_type(uint32_t id) {
  const auto at = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& type) { return type.id == id; });
  return at == kTypes.end() ? nullptr : &*at;
}

std::vector<std::string> readable_gguf_types() {
  std::vector<std::string> names;
  for (const GgufType& type : kTypes)
    if (type.readable) names.emplace_back(type.name);
  return names;
}

namespace {

const GgufType& type_of(BlockType block) {
  const auto at = std::find_if(kTypes.begin(), kTypes.end(),
                               [&](const auto& type) { return type.block == block && type.per_block > 1; });
  check(at != kTypes.end(), "the blocks of a plain tensor");
  return *at;
}

}  // namespace

int64_t block_numbers(BlockType block) { return type_of(block).per_block; }
int64_t block_bytes(BlockType block) { return type_of(block).block_bytes; }

}  // namespace varve::checkpoint
