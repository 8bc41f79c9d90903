#pragma once
// What the tests of the linear kernels share: a call on random rows, and the float64 answer.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "kernels/linear.h"
#include "kernels/linear_kernels.h"
#include "support/weights.h"

namespace varve::kernels::test_linear {

using ops::Precision;
using ops::WeightFormat;

/// Inputs that exercise several groups, tiles of several groups, and (dense) an unfinished chunk.
inline int64_t cols_of(const WeightFormat& format) {
  if (format.encoding == ops::Encoding::dense) return 197;
  if (format.encoding == ops::Encoding::kquant) return 2 * ops::kSuperGroup;
  if (format.encoding == ops::Encoding::fp8) return 2 * format.group + 69;  // ends in a short group
  return format.group == 16 ? 16 * 13 : format.group == 32 ? 32 * 7 : 384;
}

inline std::string label(const LinearKernels& kernels, const WeightFormat& format, Numerics numerics) {
  return std::string(name_of(kernels)) + " " + test::format_name(format) +
         (numerics.precision == Precision::exact ? " exact"
          : numerics.fine                        ? " fine"
                                                 : " fast");
}

/// W x for rows [first, first + rows) of x.
struct Call {
  const LinearKernels& kernels;
  Numerics numerics;
  int threads = 1;

  std::vector<float> operator()(const ops::PackedWeight& weight, const std::vector<float>& x, int64_t first,
                                int64_t rows) const {
    ThreadPool pool(threads);
    LinearScratch scratch;
    std::vector<float> y(static_cast<size_t>(rows * weight.rows), 99.0f);
    const ops::LinearOut out{.weight = &weight, .y = y.data(), .y_stride = weight.rows};
    linear(kernels, pool, numerics.precision, scratch,
           {.x = {x.data() + first * weight.cols, rows, weight.cols, weight.cols},
            .outs = {&out, 1},
            .fine = numerics.fine});
    return y;
  }
};

/// Root mean square of y - reference, over that of the reference.
inline double relative_error(const std::vector<float>& y, const std::vector<double>& reference) {
  double error = 0, size = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    error += (y[i] - reference[i]) * (y[i] - reference[i]);
    size += reference[i] * reference[i];
  }
  return std::sqrt(error / size);
}

/// The float64 product of the matrix as the format defines it.
inline std::vector<double> product(const ops::WeightView& view, const std::vector<float>& x, int64_t rows) {
  std::vector<float> w(static_cast<size_t>(view.rows * view.cols));
  ops::dequantize_rows(view, 0, view.rows, w.data());
  std::vector<double> y(static_cast<size_t>(rows * view.rows));
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t r = 0; r < view.rows; ++r)
      for (int64_t k = 0; k < view.cols; ++k)
        y[static_cast<size_t>(t * view.rows + r)] += double{w[static_cast<size_t>(r * view.cols + k)]} *
                                                     double{x[static_cast<size_t>(t * view.cols + k)]};
  return y;
}

}  // namespace varve::kernels::test_linear
