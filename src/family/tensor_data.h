#pragma once
// Numbers and rows out of stored tensors.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "nn/weight_source.h"
#include "ops/weight.h"

namespace varve::family {

/// The first stored name that matches a pattern, or nullptr.
const std::string* find_stored(const checkpoint::Checkpoint& checkpoint, std::string_view pattern);

/// All elements of a plain float tensor as float32; a LoadError names `name` when it is another kind.
std::vector<float> dense_numbers(const checkpoint::Tensor& tensor, const std::string& name);

/// Has the kernels' dense encoding as it lies there: f32, f16 or bf16.
bool is_dense(const checkpoint::Tensor& tensor);

/// `x` as a number of `dtype`: f16, bf16, else float32.
float round_to(DType dtype, float x);

/// The numbers as those of a dense `dtype`.
std::vector<std::byte> dense_bytes(const std::vector<float>& numbers, DType dtype);

/// Bytes of one row of `cols` inputs of a plain or GGUF block tensor.
int64_t stored_row_bytes(const checkpoint::Tensor& tensor, int64_t cols);

/// The format of the words that GGUF blocks become.
ops::WeightFormat block_format(checkpoint::BlockType block);

}  // namespace varve::family
