#pragma once
// Shared by the tests of quantize: numbers in the dtypes of checkpoints, and a call with its results.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "kernels/op_kernels.h"
#include "ops/bits.h"
#include "support/weights.h"

namespace varve::kernels::test {

using Bytes = std::vector<std::byte>;

inline Bytes stored(DType dtype, const std::vector<float>& numbers) {
  const auto size = static_cast<size_t>(dtype_size(dtype));
  Bytes bytes(numbers.size() * size);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint16_t half = dtype == DType::f16 ? f32_to_f16(numbers[i]) : f32_to_bf16(numbers[i]);
    if (dtype == DType::f32)
      std::memcpy(&bytes[4 * i], &numbers[i], 4);
    else
      std::memcpy(&bytes[2 * i], &half, 2);
  }
  return bytes;
}

/// Every format that is written, for numbers of `dtype`.
inline std::vector<ops::WeightFormat> written_formats(DType dtype) {
  using ops::Encoding;
  std::vector<ops::WeightFormat> formats;
  for (const int bits : {2, 3, 4, 5, 6, 8})
    for (const int group : {32, 64, 128})
      formats.push_back({.encoding = Encoding::affine, .dtype = dtype, .bits = bits, .group = group});
  formats.push_back({.encoding = Encoding::mxfp4, .dtype = dtype, .bits = 4, .group = 32});
  formats.push_back({.encoding = Encoding::nvfp4, .dtype = dtype, .bits = 4, .group = 16});
  formats.push_back({.encoding = Encoding::mxfp8, .dtype = dtype, .bits = 8, .group = 32});
  return formats;
}

/// "affine4g64bf16", "mxfp4bf16"
inline std::string written_name(const ops::WeightFormat& format) {
  const std::string name = varve::test::format_name(format);
  if (format.encoding == ops::Encoding::affine) return name;
  return name + varve::test::format_name({.encoding = ops::Encoding::dense, .dtype = format.dtype});
}

/// Rows of numbers, quantised into memory at odd addresses that a guard follows.
struct Quantised {
  Bytes words, scales, biases;
  int64_t broken = -1;
  ops::WeightFormat format;
  int64_t rows = 0, cols = 0;

  template <class Call>
  Quantised(const Call& call, DType dtype, const Bytes& numbers, const ops::WeightFormat& to, int64_t count,
            int64_t width)
      : format(to), rows(count), cols(width) {
    const ops::WeightView made = view();
    Bytes source(numbers.size() + 1);
    std::copy(numbers.begin(), numbers.end(), source.begin() + 1);
    words.assign(static_cast<size_t>(rows * made.row_bytes()) + 2, kGuard);
    scales.assign(static_cast<size_t>(rows * made.scale_row_bytes()) + 2, kGuard);
    if (format.encoding == ops::Encoding::affine) biases.assign(scales.size(), kGuard);
    broken = call(ops::QuantizeArgs{.rows = source.data() + 1,
                                    .dtype = dtype,
                                    .count = rows,
                                    .cols = cols,
                                    .format = format,
                                    .words = words.data() + 1,
                                    .scales = scales.data() + 1,
                                    .biases = biases.empty() ? nullptr : biases.data() + 1});
    for (const Bytes* bytes : {&words, &scales, &biases})
      EXPECT_TRUE(bytes->empty() || (bytes->front() == kGuard && bytes->back() == kGuard)) << "wrote outside";
  }

  ops::WeightView view() const {
    ops::WeightFormat plain = format;
    if (format.encoding != ops::Encoding::affine) plain.dtype = DType::f32;
    return {.format = plain,
            .rows = rows,
            .cols = cols,
            .data = words.data() + 1,
            .scales = scales.data() + 1,
            .biases = biases.empty() ? nullptr : biases.data() + 1};
  }

  void expect_same(const Quantised& other, const std::string& what) const {
    EXPECT_EQ(broken, other.broken) << what;
    same(words, other.words, what + ", words");
    same(scales, other.scales, what + ", scales");
    same(biases, other.biases, what + ", biases");
  }

 private:
  static constexpr std::byte kGuard{0xa5};

  static void same(const Bytes& found, const Bytes& expected, const std::string& what) {
    ASSERT_EQ(found.size(), expected.size()) << what;
    const auto at = std::mismatch(found.begin(), found.end(), expected.begin());
    EXPECT_TRUE(at.first == found.end())
        << what << ": byte " << at.first - found.begin() - 1 << " is " << static_cast<int>(*at.first)
        << ", not " << static_cast<int>(*at.second);
  }
};

}  // namespace varve::kernels::test
