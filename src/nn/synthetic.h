#pragma once
// Weights out of nothing, for benchmarks: every tensor a model binds, filled with reproducible random
// words of one format, so that speed can be measured on shapes nobody has downloaded.
#include <memory>

#include "nn/spec.h"
#include "nn/weight_source.h"

namespace varve::nn {

/// Every matrix whose inputs divide by the format's group has `format`; the others, and all vectors, are
/// float32. Logits of such a model mean nothing, but they are finite.
std::unique_ptr<WeightSource> synthetic_source(const ModelSpec& spec, const ops::WeightFormat& format);

}  // namespace varve::nn
