#pragma once
// Numbers of one type as those of another, rounded to nearest.
#include <cstddef>
#include <cstdint>

#include "core/thread_pool.h"
#include "ops/ops.h"

namespace varve::convert {

/// What the work is done with: the backend forks on the pool.
struct Machine {
  ops::Backend& backend;
  ThreadPool& pool;
};

/// The rows of a matrix, dense or of words, as numbers of `dtype` (f32, f16, bf16): out [rows, cols]. False
/// when a finite one has become infinite.
bool to_numbers(const ops::WeightView& view, DType dtype, std::byte* out, const Machine& machine);

/// `count` numbers of type `from` as `dtype`. False when a finite one has become infinite.
bool cast_numbers(const std::byte* from, DType from_dtype, int64_t count, DType dtype, std::byte* out);

}  // namespace varve::convert
