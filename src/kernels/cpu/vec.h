#pragma once
// Vectors for the linear kernels, in the compiler's own vector arithmetic (conversions between widths are in
// isa_*.h: the compiler does those one lane at a time). Included by one file per instruction set, after its
// `#pragma GCC target` and its definition of kLanes; everything is local to that file, so that no function
// compiled for one machine is ever linked into another's path.
#include <cstddef>
#include <cstdint>
#include <cstring>

#define VARVE_INLINE inline __attribute__((always_inline))

namespace varve::kernels {
namespace {

constexpr int kSlices = 16 / kLanes;  // vectors in the 16 rows of a block

using F = float __attribute__((vector_size(4 * kLanes)));
using U = uint32_t __attribute__((vector_size(4 * kLanes)));
using S = int32_t __attribute__((vector_size(4 * kLanes)));
using H = uint16_t __attribute__((vector_size(2 * kLanes)));
using B = uint8_t __attribute__((vector_size(kLanes)));

/// std::bit_cast, but compiled for this file's instruction set: a vector must not cross into a function that
/// is not.
template <class To, class From>
VARVE_INLINE To cast(const From& from) {
  return __builtin_bit_cast(To, from);
}

template <class V>
VARVE_INLINE V load(const void* at) {
  V value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class V>
VARVE_INLINE void store(void* at, V value) {
  std::memcpy(at, &value, sizeof value);
}

VARVE_INLINE U set1(uint32_t value) { return U{} + value; }
VARVE_INLINE F set1(float value) { return cast<F>(set1(cast<uint32_t>(value))); }
VARVE_INLINE U broadcast(const void* at) { return set1(load<uint32_t>(at)); }
VARVE_INLINE F as_float(U bits) { return cast<F>(bits); }
VARVE_INLINE U as_bits(F value) { return cast<U>(value); }
VARVE_INLINE F to_float(U integer) { return __builtin_convertvector(cast<S>(integer), F); }
VARVE_INLINE U select(S mask, uint32_t yes, U no) { return (cast<U>(mask) & yes) | (~cast<U>(mask) & no); }

/// OCP E8M0 codes as float: 2^(code - 127), 255 is NaN.
VARVE_INLINE F e8m0_to_float(U code) {
  const U normal = select(code == set1(0u), 0x00400000u, code << 23);
  return as_float(select(code == set1(255u), 0x7fc00000u, normal));
}

}  // namespace
}  // namespace varve::kernels
