#pragma once
// What a token costs in memory traffic and arithmetic, by the shapes and formats of the matrices alone: the
// figures that measured speed is set against.
#include <cstdint>

#include "nn/spec.h"
#include "nn/weight_source.h"

namespace varve::runtime {

struct Traffic {
  uint64_t weight_bytes = 0;       // of all matrices, as stored
  uint64_t decode_bytes = 0;       // of the matrices that one token goes through, head included
  uint64_t prompt_operations = 0;  // multiplications and additions of those per prompt token, head excluded
};

/// Only matrices count; an expert layer with the experts that are active.
Traffic traffic_of(const nn::ModelSpec& spec, nn::WeightSource& weights);

}  // namespace varve::runtime
