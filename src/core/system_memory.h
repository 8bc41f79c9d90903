#pragma once
// How much memory this process could still take without pushing anything else out.
#include <cstdint>

namespace varve {

/// Bytes: what the system says is available, or what the process's control group still allows if that is
/// less. Where neither can be read: no limit (the largest number).
uint64_t available_memory();

}  // namespace varve
