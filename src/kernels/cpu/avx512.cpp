// The ops for AVX-512 F, BW, DQ and VL.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/cpu/bodies.h"

#define VARVE_NATIVE_BF16 0
// GCC 12 initialises its undefined vectors with themselves and then warns of them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
namespace varve::kernels::avx512 {
#include "kernels/cpu/vec_avx512.inc"
// after the vectors
#include "kernels/cpu/ops.inc"
}  // namespace varve::kernels::avx512
#pragma GCC pop_options

namespace varve::kernels {
const OpKernels& op_kernels_avx512() { return avx512::kTable; }
}  // namespace varve::kernels
#endif
