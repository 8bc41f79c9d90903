#pragma once
// The header of a safetensors file as MLX writes it: members sorted, no blanks, no padding behind it.
#include <string>
#include <vector>

namespace varve::convert {

struct OutTensor;

/// Eight bytes of length and the JSON. `offset` of each tensor counts from the end of the header.
std::string safetensors_header(const std::vector<const OutTensor*>& tensors);

}  // namespace varve::convert
