#pragma once
// What the machine itself can do right now, measured the way the linear kernels use it: the yardsticks of
// every speed figure. Foreign load halves both, so a figure is quoted as its share of the probe of the same
// run.
#include <cstddef>
#include <span>

#include "core/thread_pool.h"
#include "kernels/linear.h"

namespace varve::kernels {

/// Seconds for timing work on a pool: of the wall, but of the processor for a pool of one thread, where
/// foreign load can be left out.
double work_seconds(const ThreadPool& pool);

/// Bytes per second that the pool's threads read together, each its own part of `memory` front to back.
double probe_read_bandwidth(const LinearKernels& kernels, ThreadPool& pool,
                            std::span<const std::byte> memory);

/// Integer operations per second (a multiplication and an addition are two) of the instruction behind the
/// int8 kernels, on all threads of the pool, for about `seconds`.
double probe_int8_peak(const LinearKernels& kernels, ThreadPool& pool, double seconds = 0.02);

}  // namespace varve::kernels
