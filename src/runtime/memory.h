#pragma once
// How much memory this process may still take, and the message when it is too little.
#include <cstdint>
#include <string>

namespace varve::runtime {

/// Bytes that can be taken without harm: what the system says is available, less where a control group
/// (container) or a limit of the process (ulimit -v) leaves less.
uint64_t available_memory();

struct MemoryNeed {
  uint64_t weights = 0;  // as they are packed
  uint64_t cache = 0;    // keys and values
  uint64_t work = 0;     // activations and the rest
};

/// A LoadError for `where` when the need is more than `available`: what is needed, what there is, what to do.
void require_memory(const MemoryNeed& need, uint64_t available, const std::string& where);

}  // namespace varve::runtime
