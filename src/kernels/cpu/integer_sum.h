#pragma once
// A running sum of products of codes, where the instruction set adds them in 32 bits: dot(). Included by
// isa_*.h after it.
//   kRows     rows of x that a panel keeps in registers together
//   inner()   the step that is repeated: what a machine does at most is measured with it (linear_probe.h)
//   settle()  is called after every four steps
#include "kernels/cpu/vec.h"

namespace varve::kernels {
namespace {

template <int kBits>
struct IntegerSum {
  static constexpr int kRows = kStep;
  U sum;
  static VARVE_INLINE U inner(U acc, U weights, U x) { return dot<kBits>(acc, weights, x); }
  VARVE_INLINE void add(U weights, U x) { sum = inner(sum, weights, x); }
  VARVE_INLINE void settle() {}
};

}  // namespace
}  // namespace varve::kernels
