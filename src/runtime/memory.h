#pragma once
// What a model needs, and the message when the machine has too little of it (core/system_memory.h).
#include <cstdint>
#include <string>

namespace varve::runtime {

struct MemoryNeed {
  uint64_t weights = 0;  // as they are packed
  uint64_t work = 0;     // activations, tokenizer and the rest
};

/// A LoadError for `where` when the need is more than `available`: what is needed, what there is, what to do.
void require_memory(const MemoryNeed& need, uint64_t available, const std::string& where);

}  // namespace varve::runtime
