#pragma once
// One GGUF file, versions 2 and 3, little-endian: metadata and the inventory of its tensors, checked against
// the whole file. Source: the GGUF specification.
//   "GGUF", version u32, tensors u64, metadata u64 | metadata: key, type, value | tensors: name, rank,
//   sizes (innermost first), type, offset | padding to general.alignment | data, each tensor aligned
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/gguf_types.h"
#include "checkpoint/gguf_vocabulary.h"
#include "core/value.h"

namespace varve::checkpoint {

struct GgufTensor {
  std::string name;
  const GgufType* type = nullptr;
  std::vector<int64_t> shape;  // outermost first
  uint64_t begin = 0;          // offsets into the file, begin <= end <= size
  uint64_t end = 0;
};

struct GgufFile {
  uint32_t version = 0;
  Value metadata;  // a flat table by dotted key, without the arrays of the vocabulary
  std::optional<GgufVocabulary> vocabulary;
  std::vector<GgufTensor> tensors;  // in the order of their data
};

/// Reads and checks a file given as a whole. A LoadError names `where` and the key or tensor; tensors of
/// types that varve does not read are refused together, by name.
GgufFile read_gguf(std::span<const std::byte> file, const std::string& where);

}  // namespace varve::checkpoint
