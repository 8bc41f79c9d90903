#pragma once
// Makes safetensors files for tests: whole ones from tensors, and broken ones from any header.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.h"

namespace varve::test {

struct TensorToWrite {
  std::string name;
  std::string dtype;  // as the format spells it: "F32", "BF16" ...
  std::vector<int64_t> shape;
  std::string bytes;
};

/// 8 bytes of length, the header as given, the data as given: for files that lie.
std::string raw_safetensors(std::string_view header, std::string_view data = {});

/// A valid file. The header is not padded, as MLX writes it, so data may lie at any byte; `padded` fills it
/// up to a multiple of 8, as Hugging Face's writer does.
std::string safetensors(const std::vector<TensorToWrite>& tensors, bool padded = false,
                        const std::map<std::string, std::string>& metadata = {{"format", "mlx"}});

/// {"metadata": {}, "weight_map": {tensor: file, ...}}
std::string safetensors_index(const std::map<std::string, std::string>& weight_map);

}  // namespace varve::test
