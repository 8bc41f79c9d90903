#pragma once
// What the processor of this machine offers to the kernels, found once at run time (the operating system's
// consent to the wide registers included).

namespace varve::kernels {

struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA and F16C: the least for the "avx2" kernels
  bool avx_vnni = false;     // int8 dot products in 256 bits
  bool avx512 = false;       // AVX-512 F, BW, DQ, VL and VNNI: the least for the "avx512" kernels
  bool avx512_bf16 = false;  // bf16 dot products
  bool neon = false;         // every 64-bit Arm
  bool neon_dotprod = false;
  bool neon_i8mm = false;
  bool neon_bf16 = false;
};

const CpuFeatures& cpu_features();

}  // namespace varve::kernels
