#pragma once
// The header of one safetensors file, checked against the whole file: what it promises about every tensor
// is true when this returns. Rules: https://huggingface.co/docs/safetensors and docs/checkpoints.md.
//   8 bytes: length n of the header, u64 little-endian     n bytes: JSON, then blanks     data to the end
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/dtype.h"

namespace varve::checkpoint {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // offsets into the file (not into its data part), begin <= end <= size
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> tensors;  // in the order of their data
  std::vector<std::pair<std::string, std::string>> metadata;
  uint64_t data_begin = 0;  // where the header ends
};

/// Reads and checks the header of a file given as a whole. A LoadError names `where` and the tensor.
SafetensorsHeader read_safetensors_header(std::span<const std::byte> file, const std::string& where);

}  // namespace varve::checkpoint
