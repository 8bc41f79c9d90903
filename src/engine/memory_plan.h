#pragma once
// How the memory for sequences is cut: from the model's needs and the options to pages, slots and the
// context that they can hold. Pure arithmetic, so that it can be told before anything is reserved.
#include <cstdint>

#include "core/error.h"
#include "nn/model.h"

namespace varve::engine {

struct MemoryOptions {
  /// Tokens of prompt and answer together; 0: what the model was made for (4096 where it does not say),
  /// or as much of it as the memory holds.
  int64_t context = 0;
  /// Bytes for pages and slots, which running sequences and what is remembered share; 0: as below.
  uint64_t cache_bytes = 0;
  /// Without cache_bytes, this part of what is available: for many clients, whose conversations shall all be
  /// remembered. 0: one whole context, or half of what is available if that is less.
  double share = 0.0;
  int64_t max_sequences = 16;
};

struct MemoryPlan {
  int64_t context = 0;
  int64_t pages = 0;
  int64_t slots = 0;
  uint64_t bytes = 0;
};

/// `available`: bytes of memory that are free. Refused, with the option's name, when the options do not go
/// together, or not with the model or the memory: a context that was asked for is given or refused.
Result<MemoryPlan> plan_memory(const nn::StateLayout& layout, int64_t max_positions,
                               const MemoryOptions& options, uint64_t available);

}  // namespace varve::engine
