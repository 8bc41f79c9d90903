// The ops for 64-bit Arm, whose baseline has NEON with fused multiply-add.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/cpu/bodies.h"

#define VARVE_NATIVE_BF16 0
namespace varve::kernels::neon {
#include "kernels/cpu/vec_neon.inc"
// after the vectors
#include "kernels/cpu/ops.inc"
}  // namespace varve::kernels::neon

namespace varve::kernels {
const OpKernels& op_kernels_neon() { return neon::kTable; }
}  // namespace varve::kernels
#endif
