#pragma once
// What a checkpoint wants of those who run it: the tokens that end an answer and how tokens are chosen, from
// generation_config.json, config.json or GGUF's metadata.
#include <cstdint>
#include <optional>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace varve::runtime {

/// What the checkpoint wants to be sampled with, where it says so. Within the engine's ranges
/// (engine/sampling.h).
struct SamplingDefaults {
  std::optional<double> temperature, top_p, min_p, typical_p, repetition_penalty;
  std::optional<int64_t> top_k;  // 0: all tokens
};

struct GenerationConfig {
  std::vector<int32_t> stop_ids;  // ascending, each below `vocab`
  SamplingDefaults sampling;
};

/// `tokenizer_end`: the end token that the tokenizer's files name. A LoadError names the file and the key
/// whose value cannot be meant; an end token that the model has no row for is warned of and left out.
GenerationConfig read_generation_config(const checkpoint::Checkpoint& checkpoint,
                                        std::optional<int32_t> tokenizer_end, int64_t vocab);

}  // namespace varve::runtime
