#pragma once
// K-quants in formats that MLX has: what a converter writes for them.
#include "ops/weight.h"

namespace varve::ops {

/// The nearest format of MLX: affine, group 32, scales and biases in float16. Matrices of 4 and 5 bits keep
/// their codes (affine_tables gives the rest): only the products are rounded, a relative error of 7e-4 (root
/// mean square, of the weights). The others have groups of 16, which MLX has not, and are to be quantised
/// anew with 8 bits: 5e-3, 6e-3 at most. Another format is its own answer.
WeightFormat mlx_format(const WeightFormat& format);

/// The scales d * s and biases -e * m of a kquant matrix of 4 or 5 bits, [rows, cols / 32] of `dtype` each,
/// for its own words. False where one is beyond the numbers of `dtype`; the tables are of no use then.
bool affine_tables(const WeightView& weight, DType dtype, std::byte* scales, std::byte* biases);

}  // namespace varve::ops
