#pragma once
// Random matrices in every weight format, for the tests of packing and of the linear kernels.
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "ops/weight.h"

namespace varve::test {

/// A matrix and its bytes. With `odd_address` the bytes begin at an odd address, as in a mapped file.
class RandomMatrix {
 public:
  RandomMatrix(const ops::WeightFormat& format, int64_t rows, int64_t cols, uint32_t seed = 1,
               bool odd_address = false)
      : random_(seed) {
    view_.format = format;
    view_.rows = rows;
    view_.cols = cols;
    const size_t skip = odd_address ? 1 : 0;
    const bool dense = format.encoding == ops::Encoding::dense;
    data_.resize(static_cast<size_t>(rows * view_.row_bytes()) + skip);
    if (dense)
      numbers(format.dtype, data_, skip, rows * cols, 0.5f);
    else
      codes(skip);
    view_.data = data_.data() + skip;
    if (dense) return;
    const int64_t groups = rows * format.groups(cols);
    scales_.resize(static_cast<size_t>(rows * view_.scale_row_bytes()) + skip);
    if (format.encoding == ops::Encoding::kquant) {
      products(scales_, skip, 0.001f);
      if (format.has_biases()) {
        products(biases_, skip, 0.002f);
        view_.biases = biases_.data() + skip;
      }
    } else if (format.encoding == ops::Encoding::affine) {
      biases_.resize(scales_.size());
      numbers(format.dtype, scales_, skip, groups, 0.02f);
      numbers(format.dtype, biases_, skip, groups, 0.2f);
      view_.biases = biases_.data() + skip;
    } else if (format.encoding == ops::Encoding::fp8) {
      numbers(DType::f32, scales_, skip, groups, 0.02f);
    } else {
      // e8m0: 2^-7 .. 2^1; e4m3: positive, up to 8
      const bool e4m3 = format.encoding == ops::Encoding::nvfp4;
      for (size_t i = skip; i < scales_.size(); ++i)
        scales_[i] = static_cast<std::byte>(e4m3 ? random_() % 0x52u : 120 + random_() % 9u);
    }
    view_.scales = scales_.data() + skip;
  }
  RandomMatrix(const RandomMatrix&) = delete;
  RandomMatrix& operator=(const RandomMatrix&) = delete;

  const ops::WeightView& view() const { return view_; }

 private:
  void codes(size_t skip) {
    for (size_t i = skip; i < data_.size(); ++i) {
      auto byte = static_cast<uint8_t>(random_());
      const bool e4m3 =
          view_.format.encoding == ops::Encoding::mxfp8 || view_.format.encoding == ops::Encoding::fp8;
      if (e4m3 && (byte & 0x7f) == 0x7f) byte = 0x7e;  // no NaN
      data_[i] = static_cast<std::byte>(byte);
    }
  }

  /// A float16 for every 256 inputs, then the int8 of their groups.
  void products(std::vector<std::byte>& out, size_t skip, float spread) {
    out.resize(scales_.size());
    const auto groups = static_cast<size_t>(ops::kSuperGroup / view_.format.group);
    for (size_t at = skip; at < out.size(); at += 2 + groups) {
      numbers(DType::f16, out, at, 1, spread);
      for (size_t i = 0; i < groups; ++i) out[at + 2 + i] = static_cast<std::byte>(random_());
    }
  }

  void numbers(DType dtype, std::vector<std::byte>& out, size_t skip, int64_t count, float spread) {
    std::normal_distribution<float> normal(0, spread);
    for (int64_t i = 0; i < count; ++i) {
      const float value = normal(random_);
      const uint16_t half = dtype == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
      if (dtype == DType::f32)
        std::memcpy(out.data() + skip + 4 * i, &value, 4);
      else
        std::memcpy(out.data() + skip + 2 * i, &half, 2);
    }
  }

  std::mt19937 random_;
  ops::WeightView view_;
  std::vector<std::byte> data_, scales_, biases_;
};

/// Every format that varve reads.
inline std::vector<ops::WeightFormat> all_weight_formats() {
  using ops::Encoding;
  std::vector<ops::WeightFormat> formats;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    formats.push_back({.encoding = Encoding::dense, .dtype = dtype});
    for (const int bits : {2, 3, 4, 5, 6, 8})
      for (const int group : {32, 64, 128})
        formats.push_back({.encoding = Encoding::affine, .dtype = dtype, .bits = bits, .group = group});
  }
  formats.push_back({.encoding = Encoding::mxfp4, .bits = 4, .group = 32});
  formats.push_back({.encoding = Encoding::nvfp4, .bits = 4, .group = 16});
  formats.push_back({.encoding = Encoding::mxfp8, .bits = 8, .group = 32});
  for (const int bits : {2, 3, 4, 5, 6})
    formats.push_back(
        {.encoding = Encoding::kquant, .bits = bits, .group = bits == 4 || bits == 5 ? 32 : 16});
  for (const int group : {32, 64, 128})
    formats.push_back({.encoding = Encoding::fp8, .bits = 8, .group = group});
  return formats;
}

/// "affine4g64f16", "bf16", "mxfp4"
inline std::string format_name(const ops::WeightFormat& format) {
  const std::string number = format.dtype == DType::f32 ? "f32" : format.dtype == DType::f16 ? "f16" : "bf16";
  switch (format.encoding) {
    case ops::Encoding::dense:
      return number;
    case ops::Encoding::mxfp4:
      return "mxfp4";
    case ops::Encoding::nvfp4:
      return "nvfp4";
    case ops::Encoding::mxfp8:
      return "mxfp8";
    case ops::Encoding::kquant:
      return "q" + std::to_string(format.bits) + "k";
    case ops::Encoding::fp8:
      return "fp8g" + std::to_string(format.group);
    default:
      return "affine" + std::to_string(format.bits) + "g" + std::to_string(format.group) + number;
  }
}

inline std::vector<float> random_numbers(size_t count, uint32_t seed, float spread = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(random);
  return numbers;
}

}  // namespace varve::test
