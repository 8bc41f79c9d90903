#include "kernels/op_kernels.h"

#include <vector>

#include "kernels/cpu_features.h"

namespace varve::kernels {

std::span<const NamedOpKernels> all_op_kernels() {
  static const std::vector<NamedOpKernels> tables = [] {
    std::vector<NamedOpKernels> found;
#if defined(__x86_64__)
    if (cpu_features().avx512_bf16) found.push_back({"avx512-bf16", &op_kernels_avx512_bf16()});
    if (cpu_features().avx512) found.push_back({"avx512", &op_kernels_avx512()});
    if (cpu_features().avx2) found.push_back({"avx2", &op_kernels_avx2()});
#elif defined(__aarch64__)
    found.push_back({"neon", &op_kernels_neon()});
#endif
    found.push_back({"ref", &op_kernels_ref()});
    return found;
  }();
  return tables;
}

}  // namespace varve::kernels
