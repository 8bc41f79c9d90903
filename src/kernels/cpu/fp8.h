#pragma once
// E4M3 by arithmetic, for instruction sets without a table look-up of 16-bit entries; included by isa_*.h.
#include "kernels/cpu/vec.h"

namespace varve::kernels {
namespace {

/// OCP E4M3 codes (one in each lane) as float: the exponent is moved by a multiplication, which makes
/// subnormals right as well.
VARVE_INLINE F e4m3_to_float(U code) {
  const U magnitude = (code & 0x7f) << 20;
  const U value = as_bits(as_float(magnitude) * set1(0x1p120f));
  return as_float(select(magnitude == set1(0x07f00000u), 0x7fc00000u, value) | ((code & 0x80) << 24));
}

/// Codes 2 * Pair and 2 * Pair + 1 of each lane as bf16: every E4M3 number is one.
template <int Pair>
VARVE_INLINE U e4m3_pair_to_bf16(U codes) {
  const U low = as_bits(e4m3_to_float((codes >> (16 * Pair)) & 0xff));
  const U high = as_bits(e4m3_to_float((codes >> (16 * Pair + 8)) & 0xff));
  return (low >> 16) | (high & 0xffff0000u);
}

}  // namespace
}  // namespace varve::kernels
