// The ops for AVX2 with FMA.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/cpu/bodies.h"

#define VARVE_NATIVE_BF16 0
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
namespace varve::kernels::avx2 {
#include "kernels/cpu/vec_avx2.inc"
// after the vectors
#include "kernels/cpu/ops.inc"
}  // namespace varve::kernels::avx2
#pragma GCC pop_options

namespace varve::kernels {
const OpKernels& op_kernels_avx2() { return avx2::kTable; }
}  // namespace varve::kernels
#endif
