#pragma once
// One matrix for each head, on the head's own part of every row.
#include <span>

#include "nn/block.h"

namespace varve::nn {

/// A matrix for each head, and where the results go: y [rows, heads, out].
struct HeadsOut {
  const ExpertLinear* matrices = nullptr;
  float* y = nullptr;
};

/// x [rows * heads, in]: row r * heads + h is head h of row r, and goes through matrix h of each of `outs`,
/// all of which have `width` outputs.
void head_linear(Forward& at, const ops::Rows& x, std::span<const HeadsOut> outs, int64_t width);

}  // namespace varve::nn
