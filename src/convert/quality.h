#pragma once
// How far the weights of one checkpoint are from another's that has the same tensors under the same names:
// for each, ||result - source|| / ||source|| over all its numbers as both hold them, in float64. Streamed by
// rows: some tens of megabytes whatever the tensor's size.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "nn/weight_source.h"

namespace varve::convert {

struct WeightError {
  std::string name;
  std::vector<int64_t> shape;
  /// Infinity where the source is all zeros and the result is not, NaN where either holds one.
  double relative = 0;
};

struct WeightReport {
  int64_t tensors = 0;             // compared; what holds no floating-point numbers (bitnet's bytes) is not
  int64_t changed = 0;             // with an error above zero
  double relative = 0;             // of all tensors as one vector
  std::vector<WeightError> worst;  // of those that changed, the worst first
};

struct CompareOptions {
  size_t worst = 10;                                            // how many to list
  ThreadPool* pool = nullptr;                                   // may be null
  std::function<void(uint64_t done, uint64_t total)> progress;  // in numbers; may be empty
};

/// A LoadError when `result` lacks a tensor of `source` or has it in another shape. The figures do not depend
/// on the pool.
WeightReport compare_weights(nn::WeightSource& source, nn::WeightSource& result,
                             const CompareOptions& options);

}  // namespace varve::convert
