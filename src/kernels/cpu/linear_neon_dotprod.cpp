#if defined(__aarch64__)
#include <algorithm>
#include <bit>
#include <cstring>

#include "core/checked.h"
#include "kernels/cpu/linear_variants.h"
#include "kernels/linear_kernels.h"
#pragma GCC target("arch=armv8.2-a+dotprod")
#define VARVE_DOTPROD
#include "kernels/cpu/isa_neon.h"
// after the instruction set
#include "kernels/cpu/linear_probe.h"
#include "kernels/cpu/linear_table.h"

namespace varve::kernels {

const LinearKernels& linear_variant_neon_dotprod() {
  static constexpr LinearKernels kKernels{.name = "neon-dotprod",
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
