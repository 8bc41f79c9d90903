// The linear ops, obvious and slow: weights from ops::unpack_row, one dot product per output in double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/checked.h"
#include "kernels/linear.h"
#include "kernels/linear_kernels.h"
#include "ops/bits.h"

namespace varve::kernels {

namespace {

void prepare_int8(const float* x, int count, int8_t* codes, ActScale& scale) {
  float most = 0;
  for (int k = 0; k < count; ++k) most = std::max(most, std::fabs(x[k]));
  const float inverse = most > kTinyActivation ? 127.0f / most : 0.0f;
  scale.scale = inverse > 0 ? most / 127.0f : 0.0f;
  int32_t sum = 0;
  for (int k = 0; k < count; ++k) {
    codes[k] = static_cast<int8_t>(std::nearbyint(x[k] * inverse));
    sum += codes[k];
  }
  scale.sum = scale.scale * static_cast<float>(sum);
  scale.minus_sum16 = -16 * sum;
}

/// Two digits: x ~ scale * (254 * high + low).
void prepare_int16(const float* x, int count, int8_t* digits, ActScale& scale) {
  float most = 0;
  for (int k = 0; k < count; ++k) most = std::max(most, std::fabs(x[k]));
  const float inverse = most > kTinyActivation ? 127.0f / most : 0.0f;
  scale.scale = inverse > 0 ? most / 127.0f / kHighDigit : 0.0f;
  int32_t high_sum = 0, low_sum = 0;
  for (int k = 0; k < count; ++k) {
    const float high = std::nearbyint(x[k] * inverse);
    const float low = std::nearbyint((x[k] * inverse - high) * kHighDigit);
    digits[k / 4 * 8 + k % 4] = static_cast<int8_t>(high);
    digits[k / 4 * 8 + 4 + k % 4] = static_cast<int8_t>(low);
    high_sum += static_cast<int32_t>(high);
    low_sum += static_cast<int32_t>(low);
  }
  scale.sum = scale.scale * static_cast<float>(kHighDigit * high_sum + low_sum);
  scale.minus_sum16 = -16 * high_sum;
  scale.minus_low16 = -16 * low_sum;
}

void prepare(const ActFormat& format, const float* x, int64_t cols, const ActTile& tile, int row) {
  const int64_t chunks = divide_up(cols, format.chunk);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    float values[ops::kMaxChunk] = {};
    const int64_t count = std::min<int64_t>(format.chunk, cols - chunk * format.chunk);
    std::copy_n(x + chunk * format.chunk, count, values);
    std::byte* out = tile.values + (chunk * tile.rows + row) * format.chunk_bytes();
    if (format.kind == ActKind::f32) {
      std::memcpy(out, values, static_cast<size_t>(format.chunk_bytes()));
    } else if (format.kind == ActKind::bf16) {
      uint16_t rounded[ops::kMaxChunk];
      for (int k = 0; k < format.chunk; ++k) rounded[k] = f32_to_bf16(values[k]);
      std::memcpy(out, rounded, static_cast<size_t>(format.chunk_bytes()));
    } else if (format.kind == ActKind::int16) {
      prepare_int16(values, format.chunk, reinterpret_cast<int8_t*>(out),
                    tile.scales[chunk * tile.rows + row]);
    } else {
      prepare_int8(values, format.chunk, reinterpret_cast<int8_t*>(out),
                   tile.scales[chunk * tile.rows + row]);
    }
  }
}

/// What a prepared activation stands for.
double value_of(const ActFormat& format, const ActTile& tile, int row, int64_t k) {
  const int64_t place = k / format.chunk * tile.rows + row;
  const std::byte* values = tile.values + place * format.chunk_bytes();
  const int64_t i = k % format.chunk;
  if (format.kind == ActKind::f32) return reinterpret_cast<const float*>(values)[i];
  if (format.kind == ActKind::bf16) return bf16_to_f32(reinterpret_cast<const uint16_t*>(values)[i]);
  const double scale = tile.scales[place].scale;
  const auto* codes = reinterpret_cast<const int8_t*>(values);
  if (format.kind == ActKind::int8) return scale * codes[i];
  const int64_t digit = i / 4 * 8 + i % 4;
  return scale * (kHighDigit * codes[digit] + codes[digit + 4]);
}

template <ops::Precision precision, bool fine>
void matmul(const MatmulTask& task) {
  const ops::PackedWeight& weight = *task.weight;
  const ActFormat format = activation_format(weight.format, {.precision = precision, .fine = fine});
  std::vector<double> x(static_cast<size_t>(task.x.rows * weight.cols));
  for (int t = 0; t < task.x.rows; ++t)
    for (int64_t k = 0; k < weight.cols; ++k)
      x[static_cast<size_t>(t * weight.cols + k)] = value_of(format, task.x, t, k);
  std::vector<float> w(static_cast<size_t>(weight.cols));
  const int64_t end = std::min(task.block_end * ops::kBlockRows, weight.rows);
  for (int64_t row = task.block_begin * ops::kBlockRows; row < end; ++row) {
    ops::unpack_row(weight, row, w.data());
    for (int t = 0; t < task.x.rows; ++t) {
      double sum = task.bias ? double{task.bias[row]} : 0.0;
      for (int64_t k = 0; k < weight.cols; ++k)
        sum += double{w[static_cast<size_t>(k)]} * x[static_cast<size_t>(t * weight.cols + k)];
      float& y = task.y[t * task.y_stride + row];
      y = static_cast<float>(task.accumulate ? double{y} + sum : sum);
    }
  }
}

void read_memory(const std::byte* begin, int64_t bytes) {
  uint64_t sum = 0;
  for (int64_t at = 0; at + 8 <= bytes; at += 8) sum ^= ops::load_unaligned<uint64_t>(begin + at);
  asm volatile("" : "+r"(sum));
}

template <class Number>
int64_t scalar_operations(int64_t iterations) {
  Number sum = 0;
  for (int64_t i = 0; i < iterations; ++i) {
    Number weight = 3, x = -5;
    asm volatile("" : "+m"(weight), "+m"(x));
    sum = static_cast<Number>(sum + weight * x);
  }
  asm volatile("" ::"m"(sum));
  return 2 * iterations;
}

Matmul select(const ops::WeightFormat&, Numerics numerics) {
  if (numerics.precision == ops::Precision::exact) return matmul<ops::Precision::exact, false>;
  return numerics.fine ? matmul<ops::Precision::fast, true> : matmul<ops::Precision::fast, false>;
}

}  // namespace

const LinearKernels& linear_kernels_ref() {
  static constexpr LinearKernels kKernels{.name = "ref",
                                          .prepare = prepare,
                                          .matmul = select,
                                          .read = read_memory,
                                          .int8_operations = scalar_operations<int32_t>,
                                          .bf16_operations = scalar_operations<float>,
                                          .f32_operations = scalar_operations<float>};
  return kKernels;
}

}  // namespace varve::kernels
