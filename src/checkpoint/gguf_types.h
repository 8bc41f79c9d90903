#pragma once
// The tensor types of GGUF by number, and which of them varve reads. Source: the GGUF specification and the
// type table of the ggml library.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace varve::checkpoint {

struct GgufType {
  uint32_t id = 0;
  std::string_view name;
  bool readable = false;
  DType dtype = DType::u8;
  BlockType block = BlockType::none;
  int64_t per_block = 1;    // numbers in one block
  int64_t block_bytes = 0;  // bytes of one block
};

/// The type with that number, or nothing when there is none.
const GgufType* gguf_type(uint32_t id);
/// The names of the types that are read, for messages.
std::vector<std::string> readable_gguf_types();
/// Numbers and bytes of one block.
int64_t block_numbers(BlockType block);
int64_t block_bytes(BlockType block);

}  // namespace varve::checkpoint
