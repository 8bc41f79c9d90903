#pragma once
// How much memory this process could still take without pushing anything else out.
#include <cstdint>

namespace varve {

/// Bytes: what the system says is available, or what the process's control group (cached file pages give
/// way) or its own limit (ulimit -v) still allows if that is less. Where none can be read: the largest
/// number.
uint64_t available_memory();

}  // namespace varve
