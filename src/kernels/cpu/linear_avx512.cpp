#if defined(__x86_64__)
#include <algorithm>
#include <bit>
#include <cstring>

#include "core/checked.h"
#include "kernels/cpu/linear_variants.h"
#include "kernels/linear_kernels.h"
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
#include "kernels/cpu/isa_avx512.h"
// after the instruction set
#include "kernels/cpu/linear_probe.h"
#include "kernels/cpu/linear_table.h"

namespace varve::kernels {

const LinearKernels& linear_variant_avx512() {
  static constexpr LinearKernels kKernels{.name = "avx512",
                                          .prepare = prepare,
                                          .matmul = select_matmul,
                                          .read = read_memory,
                                          .int8_operations = int8_operations,
                                          .bf16_operations = bf16_operations,
                                          .f32_operations = f32_operations};
  return kKernels;
}

}  // namespace varve::kernels
#endif
