#pragma once
// The tables of linear kernels by exact instruction set; kernels/linear.h chooses among them.
#include "kernels/linear_kernels.h"

namespace varve::kernels {

const LinearKernels& linear_variant_avx2();
const LinearKernels& linear_variant_avx2_vnni();
const LinearKernels& linear_variant_avx512();
const LinearKernels& linear_variant_avx512_bf16();
const LinearKernels& linear_variant_neon();
const LinearKernels& linear_variant_neon_dotprod();

}  // namespace varve::kernels
