#include "kernels/cpu/linear_variants.h"

#include <vector>

#include "kernels/linear.h"
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace varve::kernels {

#if defined(__x86_64__)

namespace {

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

std::vector<const LinearKernels*> detect() {
  std::vector<const LinearKernels*> found;
  if (has_avx512() && __builtin_cpu_supports("avx512bf16")) found.push_back(&linear_variant_avx512_bf16());
  if (has_avx512()) found.push_back(&linear_variant_avx512());
  if (has_avx2() && __builtin_cpu_supports("avxvnni")) found.push_back(&linear_variant_avx2_vnni());
  if (has_avx2()) found.push_back(&linear_variant_avx2());
  found.push_back(&linear_kernels_ref());
  return found;
}

}  // namespace

const LinearKernels& linear_kernels_avx2() {
  return __builtin_cpu_supports("avxvnni") ? linear_variant_avx2_vnni() : linear_variant_avx2();
}

const LinearKernels& linear_kernels_avx512() {
  return __builtin_cpu_supports("avx512bf16") ? linear_variant_avx512_bf16() : linear_variant_avx512();
}

#elif defined(__aarch64__)

namespace {

bool has_dotprod() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

std::vector<const LinearKernels*> detect() {
  std::vector<const LinearKernels*> found;
  if (has_dotprod()) found.push_back(&linear_variant_neon_dotprod());
  found.push_back(&linear_variant_neon());
  found.push_back(&linear_kernels_ref());
  return found;
}

}  // namespace

const LinearKernels& linear_kernels_neon() {
  return has_dotprod() ? linear_variant_neon_dotprod() : linear_variant_neon();
}

#else
namespace {
std::vector<const LinearKernels*> detect() { return {&linear_kernels_ref()}; }
}  // namespace
#endif

std::span<const LinearKernels* const> all_linear_kernels() {
  static const std::vector<const LinearKernels*> kFound = detect();
  return kFound;
}

}  // namespace varve::kernels
