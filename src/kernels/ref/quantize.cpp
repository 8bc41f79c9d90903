#include <array>
#include <cstring>
#include <vector>

#include "core/dtype.h"
#include "kernels/ref/ref.h"
#include "ops/bits.h"

namespace varve::kernels::ref {

namespace {

using ops::Encoding;

void store_float(DType dtype, std::byte* table, int64_t index, float value) {
  if (dtype == DType::f32) {
    std::memcpy(table + 4 * index, &value, 4);
    return;
  }
  const uint16_t half = dtype == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
  std::memcpy(table + 2 * index, &half, 2);
}

float rounded(DType dtype, float value) {
  if (dtype == DType::f16) return f16_to_f32(f32_to_f16(value));
  if (dtype == DType::bf16) return bf16_to_f32(f32_to_bf16(value));
  return value;
}

void store_code(std::byte* stream, int64_t index, int bits, uint32_t code) {
  for (int bit = 0; bit < bits; ++bit) {
    const int64_t at = index * bits + bit;
    if ((code >> bit) & 1u) stream[at / 8] |= std::byte{1} << (at % 8);
  }
}

/// The numbers of a small float that are not negative, by code.
template <size_t Count>
using Grid = std::array<float, Count>;

constexpr Grid<8> kE2m1{0.f, .5f, 1.f, 1.5f, 2.f, 3.f, 4.f, 6.f};

const Grid<127>& e4m3() {
  static const Grid<127> grid = [] {
    Grid<127> values{};
    for (size_t code = 0; code < values.size(); ++code)
      values[code] = f8_e4m3_to_f32(static_cast<uint8_t>(code));
    return values;
  }();
  return grid;
}

/// The code of the number nearest to |x|, ties to the even code, stopping at the largest.
template <size_t Count>
uint32_t nearest(float x, const Grid<Count>& grid) {
  uint32_t code = 0;
  for (; code + 1 < Count; ++code) {
    const float middle = (grid[code] + grid[code + 1]) / 2;
    if (std::abs(x) < middle || (std::abs(x) == middle && code % 2 == 0)) break;
  }
  return code;
}

/// Where one group's words go.
struct Group {
  std::vector<float> numbers;
  std::byte* words;  // of the row
  int64_t first;     // the group's first column
  std::byte* scales;
  std::byte* biases;
  int64_t index;  // of the group in its row
};

void quantize_affine(const ops::WeightFormat& format, const Group& group) {
  const auto largest = static_cast<float>((1 << format.bits) - 1);
  const auto [smallest, highest] = std::minmax_element(group.numbers.begin(), group.numbers.end());
  const float low = *smallest, top = std::max(*highest, 0.0f);
  const bool at_low = std::abs(low) > std::abs(top);
  const float edge = at_low ? low : top;
  float scale = std::max((top - low) / largest, 1e-7f) * (at_low ? 1.0f : -1.0f), bias = 0;
  if (const float steps = std::round(edge / scale); steps != 0) {
    scale = edge / steps;
    bias = edge;
  }
  for (size_t i = 0; i < group.numbers.size(); ++i) {
    const float code = std::round((group.numbers[i] - bias) / scale);
    store_code(group.words, group.first + static_cast<int64_t>(i), format.bits,
               static_cast<uint32_t>(code < largest ? code : largest));
  }
  store_float(format.dtype, group.scales, group.index, scale);
  store_float(format.dtype, group.biases, group.index, bias);
}

void quantize_small_floats(const ops::WeightFormat& format, const Group& group) {
  const bool fp8 = format.encoding == Encoding::mxfp8;
  float most = 0;
  for (const float number : group.numbers) most = std::max(most, std::abs(number));
  most /= fp8 ? 448.0f : 6.0f;
  uint32_t code = 0;
  float inverse = 0;
  if (format.encoding == Encoding::nvfp4) {
    code = nearest(most, e4m3());
    inverse = code == 0 ? 0.0f : 1 / e4m3()[code];
  } else {
    while (e8m0_to_f32(static_cast<uint8_t>(code)) < most) ++code;
    inverse = 1 / e8m0_to_f32(static_cast<uint8_t>(code));
  }
  group.scales[group.index] = static_cast<std::byte>(code);
  for (size_t i = 0; i < group.numbers.size(); ++i) {
    const float number = group.numbers[i] * inverse;
    const uint32_t magnitude = fp8 ? nearest(number, e4m3()) : nearest(number, kE2m1);
    const uint32_t sign = std::signbit(number) ? 1u << (format.bits - 1) : 0u;
    store_code(group.words, group.first + static_cast<int64_t>(i), format.bits, sign | magnitude);
  }
}

/// Whether the group of `numbers` has a finite scale.
bool has_scale(const ops::WeightFormat& format, const std::vector<float>& numbers) {
  if (!std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); })) return false;
  const auto [low, top] = std::minmax_element(numbers.begin(), numbers.end());
  return format.encoding != Encoding::affine || std::isfinite(std::max(*top, 0.0f) - *low);
}

}  // namespace

int64_t quantize(const ops::QuantizeArgs& args) {
  const ops::WeightFormat& format = args.format;
  const ops::WeightView made{.format = format, .rows = args.count, .cols = args.cols};
  const int64_t row_bytes = made.row_bytes(), scale_bytes = made.scale_row_bytes();
  int64_t broken = -1;
  std::memset(args.words, 0, static_cast<size_t>(args.count * row_bytes));
  for (int64_t row = args.count - 1; row >= 0; --row) {
    Group group{.numbers = std::vector<float>(static_cast<size_t>(format.group)),
                .words = args.words + row * row_bytes,
                .scales = args.scales + row * scale_bytes,
                .biases = args.biases ? args.biases + row * scale_bytes : nullptr};
    for (group.index = 0; group.index < format.groups(args.cols); ++group.index) {
      group.first = group.index * format.group;
      for (int i = 0; i < format.group; ++i)
        group.numbers[static_cast<size_t>(i)] =
            rounded(format.dtype, ops::load_float(args.dtype, args.rows, row * args.cols + group.first + i));
      if (!has_scale(format, group.numbers)) {
        broken = row;
      } else if (format.encoding == Encoding::affine) {
        quantize_affine(format, group);
      } else {
        quantize_small_floats(format, group);
      }
    }
  }
  return broken;
}

void dequantize(const ops::DequantizeArgs& args) {
  ops::dequantize_rows(args.weight, args.row, args.count, args.out);
}

}  // namespace varve::kernels::ref
