#if defined(__aarch64__)
#include <algorithm>
#include <bit>
#include <cstring>

#include "core/checked.h"
#include "kernels/cpu/linear_variants.h"
#include "kernels/linear_kernels.h"

#include "kernels/cpu/isa_neon.h"
// after the instruction set
#include "kernels/cpu/linear_probe.h"
#include "kernels/cpu/linear_table.h"

namespace varve::kernels {

const LinearKernels& linear_variant_neon() {
  static constexpr LinearKernels kKernels{.name = "neon",
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
