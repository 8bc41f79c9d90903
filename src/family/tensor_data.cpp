#include "family/tensor_data.h"

#include <fmt/format.h>

#include <cstring>

#include "checkpoint/gguf_types.h"
#include "core/error.h"
#include "family/pattern.h"

namespace varve::family {

using checkpoint::BlockType;
using checkpoint::Tensor;

const std::string* find_stored(const checkpoint::Checkpoint& checkpoint, std::string_view pattern) {
  if (pattern.find_first_of("*#") == std::string_view::npos) {
    const auto found = checkpoint.tensors.find(pattern);
    return found == checkpoint.tensors.end() ? nullptr : &found->first;
  }
  for (const auto& [name, tensor] : checkpoint.tensors)
    if (match_pattern(pattern, name)) return &name;
  return nullptr;
}

bool is_dense(const Tensor& tensor) {
  return tensor.block == BlockType::none &&
         (tensor.dtype == DType::f32 || tensor.dtype == DType::f16 || tensor.dtype == DType::bf16);
}

ops::WeightFormat block_format(BlockType block) {
  const auto affine = [](int bits) { return ops::WeightFormat{ops::Encoding::affine, DType::f16, bits, 32}; };
  const auto kquant = [](int bits, int group) {
    return ops::WeightFormat{ops::Encoding::kquant, DType::f32, bits, group};
  };
  switch (block) {
    case BlockType::q4_0:
    case BlockType::q4_1:
      return affine(4);
    case BlockType::q5_0:
    case BlockType::q5_1:
      return affine(5);
    case BlockType::q8_0:
      return affine(8);
    case BlockType::mxfp4:
      return {ops::Encoding::mxfp4, DType::f32, 4, 32};
    case BlockType::q2_k:
      return kquant(2, 16);
    case BlockType::q3_k:
      return kquant(3, 16);
    case BlockType::q4_k:
      return kquant(4, 32);
    case BlockType::q5_k:
      return kquant(5, 32);
    case BlockType::q6_k:
      return kquant(6, 16);
    case BlockType::none:
      break;
  }
  check(false, "block_format of a plain tensor");
  return {};
}

namespace {

float number_at(const std::byte* at, DType dtype) {
  uint16_t half = 0;
  double wide = 0;
  float single = 0;
  switch (dtype) {
    case DType::f16:
      std::memcpy(&half, at, sizeof half);
      return f16_to_f32(half);
    case DType::bf16:
      std::memcpy(&half, at, sizeof half);
      return bf16_to_f32(half);
    case DType::f64:
      std::memcpy(&wide, at, sizeof wide);
      return static_cast<float>(wide);
    default:
      std::memcpy(&single, at, sizeof single);
      return single;
  }
}

}  // namespace

float round_to(DType dtype, float x) {
  if (dtype == DType::f16) return f16_to_f32(f32_to_f16(x));
  if (dtype == DType::bf16) return bf16_to_f32(f32_to_bf16(x));
  return x;
}

std::vector<std::byte> dense_bytes(const std::vector<float>& numbers, DType dtype) {
  const auto size = static_cast<size_t>(dtype_size(dtype));
  std::vector<std::byte> out(numbers.size() * size);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint16_t half = dtype == DType::f16 ? f32_to_f16(numbers[i]) : f32_to_bf16(numbers[i]);
    const void* from = dtype == DType::f32 ? static_cast<const void*>(&numbers[i]) : &half;
    std::memcpy(out.data() + i * size, from, size);
  }
  return out;
}

int64_t stored_row_bytes(const Tensor& tensor, int64_t cols) {
  if (tensor.block != BlockType::none)
    return cols / checkpoint::block_numbers(tensor.block) * checkpoint::block_bytes(tensor.block);
  return cols * dtype_size(tensor.dtype);
}

std::vector<float> dense_numbers(const Tensor& tensor, const std::string& name) {
  if (!is_dense(tensor) && !(tensor.block == BlockType::none && tensor.dtype == DType::f64))
    throw LoadError({.what = fmt::format("tensor \"{}\" must hold plain floating-point numbers", name),
                     .where = {},
                     .expected = "F32, F16, BF16 or F64",
                     .found = tensor.block == BlockType::none
                                  ? std::string(dtype_name(tensor.dtype))
                                  : std::string(checkpoint::block_name(tensor.block)),
                     .advice = {}});
  const auto size = static_cast<size_t>(dtype_size(tensor.dtype));
  std::vector<float> out(tensor.bytes.size() / size);
  for (size_t i = 0; i < out.size(); ++i) out[i] = number_at(tensor.bytes.data() + i * size, tensor.dtype);
  return out;
}

}  // namespace varve::family
