#pragma once
// One matrix out of a mapped tensor: a view into the file where rows lie as they are wanted, else its own
// bytes.
#include <string>

#include "family/tensor_rules.h"
#include "nn/weight_source.h"

namespace varve::family {

/// The matrices of a stored tensor: [slices, rows, cols].
struct Extent {
  int64_t slices = 1, rows = 1, cols = 1;
};
Extent extent_of(const StoredTensor& tensor);

/// How a tensor's matrices are encoded. A LoadError (`where` names the checkpoint) when nothing computes with
/// it, or when words, scales and biases do not belong together.
ops::WeightFormat format_of(const StoredTensor& tensor, const std::string& where);

/// Matrix `expert` of a stack, or matrix 0.
nn::SourceMatrix matrix_of(const MappedTensor& tensor, int64_t expert, const std::string& where);

/// A part of some bytes; reaching beyond them is a bug, since shapes were checked against sizes.
std::span<const std::byte> slice_of(std::span<const std::byte> bytes, int64_t slice, int64_t slice_bytes);

[[noreturn]] void refuse_tensor(const StoredTensor& tensor, const std::string& where, std::string what,
                                std::string expected, std::string found);

}  // namespace varve::family
