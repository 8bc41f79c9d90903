#pragma once
// What the .inc files of this folder use from outside. Those are compiled several times, once per
// instruction set, so nothing else may be included from inside them.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/dtype.h"
#include "kernels/cpu/attention_driver.h"
#include "kernels/op_kernels.h"
#include "ops/bits.h"

#define VARVE_INLINE inline __attribute__((always_inline))
