#pragma once
// What this machine can do at most, measured now: the yardsticks that speed figures are quoted against,
// because other programs on the machine slow both alike. Each takes a fraction of a second, uses every thread
// of the pool and gives the median of several runs, with the widest instructions that the kernels use here.
#include <cstddef>

#include "core/thread_pool.h"

namespace varve::kernels {

/// GB/s of reading `bytes` of memory front to back, each thread its own part. Allocates them; take a few
/// hundred MB, well above the caches.
double read_bandwidth_gbs(ThreadPool& pool, size_t bytes);

/// 10^9 operations a second (a multiplication and an addition are two) of int8 dot products.
double int8_peak_gops(ThreadPool& pool);

/// The same of bf16 pairs: the bf16 instruction where there is one, else float32 multiply-adds.
double bf16_peak_gflops(ThreadPool& pool);

/// The same of float32 multiply-adds.
double f32_peak_gflops(ThreadPool& pool);

}  // namespace varve::kernels
