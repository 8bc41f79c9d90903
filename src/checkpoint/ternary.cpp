// Ternary matrices as MLX's affine words. Source of both layouts: integrations/bitnet.py of Transformers.
// code * step - step is exact in float32: 0 - step, step - step, 2 step - step.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "checkpoint/checkpoint.h"
#include "core/error.h"

namespace varve::checkpoint {

namespace {

/// Scales and biases of a whole matrix, all alike; room for the words.
AffineWords with_step(int64_t rows, int64_t cols, float step, DType dtype) {
  AffineWords out{
      .bits = 2, .group = ternary_group(cols), .scale_dtype = dtype, .words = {}, .scales = {}, .biases = {}};
  check(out.group > 0, "a ternary matrix without whole groups");
  const auto size = static_cast<size_t>(dtype_size(dtype));
  const auto groups = static_cast<size_t>(rows * (cols / out.group));
  out.words.resize(static_cast<size_t>(rows * cols / 4));
  auto fill = [&](std::vector<std::byte>& table, float value) {
    table.resize(groups * size);
    uint32_t bits = std::bit_cast<uint32_t>(value);
    if (dtype == DType::f16) bits = f32_to_f16(value);
    if (dtype == DType::bf16) bits = f32_to_bf16(value);
    for (size_t g = 0; g < groups; ++g) std::memcpy(table.data() + g * size, &bits, size);
  };
  fill(out.scales, step);
  fill(out.biases, -step);
  return out;
}

/// The mean magnitude of the weights as a number of `dtype`, and what they are multiplied with before they
/// are rounded.
struct OnlineStep {
  float step, scale;
};

OnlineStep online_step(std::span<const float> weights, DType dtype) {
  double sum = 0;
  for (const float w : weights) sum += std::abs(double{w});
  check(std::isfinite(sum), "ternarise of numbers that are none");
  const float mean = static_cast<float>(sum / static_cast<double>(weights.size()));
  const float scale = 1.0f / std::max(mean, 1e-5f);
  float step = 1.0f / scale;
  if (dtype == DType::f16) step = f16_to_f32(f32_to_f16(step));
  if (dtype == DType::bf16) step = bf16_to_f32(f32_to_bf16(step));
  return {step, scale};
}

/// -1, 0 or 1.
float ternary(float weight, float scale) { return std::clamp(std::nearbyint(weight * scale), -1.0f, 1.0f); }

}  // namespace

int ternary_group(int64_t cols) {
  for (const int group : {128, 64, 32})
    if (cols > 0 && cols % group == 0) return group;
  return 0;
}

AffineWords affine_from_ternary(const Tensor& packed, float step, DType dtype) {
  check(packed.dtype == DType::u8 && packed.shape.size() == 2, "affine_from_ternary of another tensor");
  const int64_t quarter = packed.shape[0], cols = packed.shape[1];
  AffineWords out = with_step(4 * quarter, cols, step, dtype);
  for (int64_t r = 0; r < quarter; ++r) {
    const std::byte* in = packed.bytes.data() + r * cols;
    for (int64_t i = 0; i < 4; ++i) {
      std::byte* row = out.words.data() + (i * quarter + r) * (cols / 4);
      for (int64_t k = 0; k < cols; k += 4) {
        uint32_t four = 0;  // one code in each byte; they move together
        std::memcpy(&four, in + k, 4);
        four = (four >> (2 * i)) & 0x03030303u;
        row[k / 4] = static_cast<std::byte>(four | four >> 6 | four >> 12 | four >> 18);
      }
    }
  }
  return out;
}

AffineWords ternarise(std::span<const float> weights, int64_t cols, DType dtype) {
  const auto rows = static_cast<int64_t>(weights.size()) / cols;
  const auto [step, scale] = online_step(weights, dtype);
  AffineWords out = with_step(rows, cols, step, dtype);
  for (size_t i = 0; i < weights.size(); ++i) {
    const auto code = static_cast<uint32_t>(ternary(weights[i], scale) + 1.0f);
    out.words[i / 4] |= static_cast<std::byte>(code << (2 * (i % 4)));
  }
  return out;
}

std::vector<float> numbers_from_ternary(const Tensor& packed, float step) {
  check(packed.dtype == DType::u8 && packed.shape.size() == 2, "numbers_from_ternary of another tensor");
  const auto quarter = static_cast<size_t>(packed.shape[0] * packed.shape[1]);
  std::vector<float> out(4 * quarter);
  for (size_t i = 0; i < 4; ++i)
    for (size_t k = 0; k < quarter; ++k) {
      const auto code = static_cast<int>((static_cast<uint32_t>(packed.bytes[k]) >> (2 * i)) & 3u);
      out[i * quarter + k] = static_cast<float>(code - 1) * step;
    }
  return out;
}

std::vector<float> ternarised_numbers(std::span<const float> weights, DType dtype) {
  const auto [step, scale] = online_step(weights, dtype);
  std::vector<float> out;
  for (const float weight : weights) out.push_back(ternary(weight, scale) * step);
  return out;
}

}  // namespace varve::checkpoint
