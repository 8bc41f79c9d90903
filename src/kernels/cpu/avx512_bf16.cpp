// The ops for AVX-512 F, BW, DQ and VL with BF16.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/cpu/bodies.h"

#define VARVE_NATIVE_BF16 1
// GCC 12 initialises its undefined vectors with themselves and then warns of them (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,avx512bf16")
namespace varve::kernels::avx512_bf16 {
#include "kernels/cpu/vec_avx512.inc"
// after the vectors
#include "kernels/cpu/ops.inc"
}  // namespace varve::kernels::avx512_bf16
#pragma GCC pop_options

namespace varve::kernels {
const OpKernels& op_kernels_avx512_bf16() { return avx512_bf16::kTable; }
}  // namespace varve::kernels
#endif
