#pragma once
// The kernel table of one instruction set: which template serves which format.
#include "kernels/cpu/linear_prepare.h"
#include "kernels/cpu/linear_simd.h"

namespace varve::kernels {
namespace {

template <class Codes, int SmallChunk, int LargeChunk>
Matmul integer_matmul(const ops::WeightFormat& format, bool fine) {
  const bool small = format.group == SmallChunk;
  if (fine) return small ? matmul<Int16Policy<Codes, SmallChunk>> : matmul<Int16Policy<Codes, LargeChunk>>;
  return small ? matmul<Int8Policy<Codes, SmallChunk>> : matmul<Int8Policy<Codes, LargeChunk>>;
}

template <int Bits>
Matmul affine_matmul(const ops::WeightFormat& format, Numerics numerics) {
  if (numerics.precision == ops::Precision::exact) return matmul<DequantPolicy<AffineCodes<Bits>>>;
  return integer_matmul<AffineCodes<Bits>, 32, 64>(format, numerics.fine);
}

/// The codes of affine weights, in chunks of a K-quant's groups.
template <int Bits, int Chunk>
Matmul kquant_matmul(Numerics numerics) {
  if (numerics.precision == ops::Precision::exact) return matmul<DequantPolicy<AffineCodes<Bits>>>;
  return numerics.fine ? matmul<Int16Policy<AffineCodes<Bits>, Chunk>>
                       : matmul<Int8Policy<AffineCodes<Bits>, Chunk>>;
}

Matmul select_kquant(int bits, Numerics numerics) {
  switch (bits) {
    case 2:
      return kquant_matmul<2, 16>(numerics);
    case 3:
      return kquant_matmul<3, 16>(numerics);
    case 4:
      return kquant_matmul<4, 32>(numerics);
    case 5:
      return kquant_matmul<5, 32>(numerics);
    default:
      return kquant_matmul<6, 16>(numerics);
  }
}

Matmul dense_matmul(DType dtype, ops::Precision precision) {
  if (dtype == DType::f32) return matmul<F32Policy>;
  if (dtype == DType::f16) return matmul<F16Policy>;
  return precision == ops::Precision::exact ? matmul<WideBf16Policy> : matmul<Bf16Policy>;
}

Matmul select_matmul(const ops::WeightFormat& format, Numerics numerics) {
  const bool exact = numerics.precision == ops::Precision::exact;
  switch (format.encoding) {
    case ops::Encoding::dense:
      return dense_matmul(format.dtype, numerics.precision);
    case ops::Encoding::mxfp8:
    case ops::Encoding::fp8:
      return exact ? matmul<DequantPolicy<Fp8Codes>> : matmul<Fp8Policy>;
    case ops::Encoding::mxfp4:
    case ops::Encoding::nvfp4:
      return exact ? matmul<DequantPolicy<Fp4Codes>>
                   : integer_matmul<Fp4Codes, 16, 32>(format, numerics.fine);
    case ops::Encoding::kquant:
      return select_kquant(format.bits, numerics);
    case ops::Encoding::affine:
      break;
  }
  switch (format.bits) {
    case 2:
      return affine_matmul<2>(format, numerics);
    case 3:
      return affine_matmul<3>(format, numerics);
    case 4:
      return affine_matmul<4>(format, numerics);
    case 5:
      return affine_matmul<5>(format, numerics);
    case 6:
      return affine_matmul<6>(format, numerics);
    default:
      return affine_matmul<8>(format, numerics);
  }
}

}  // namespace
}  // namespace varve::kernels
