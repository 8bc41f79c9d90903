#include "convert/numbers.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "ops/bits.h"

namespace varve::convert {

namespace {

constexpr int64_t kTogether = 256 << 10;  // numbers

template <DType dtype>
void store(float value, std::byte* out, int64_t index) {
  if constexpr (dtype == DType::f32) {
    std::memcpy(out + 4 * index, &value, 4);
  } else {
    const uint16_t half = dtype == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
    std::memcpy(out + 2 * index, &half, 2);
  }
}

template <DType from, DType to>
bool cast(const std::byte* in, int64_t count, std::byte* out) {
  bool fits = true;
  for (int64_t i = 0; i < count; ++i) {
    const float value = ops::load_float(from, in, i);
    store<to>(value, out, i);
    // From here on a number rounds to infinity.
    constexpr float kTooLarge = to == DType::f16 ? 65520.0f : 0x1.ffp127f;
    if constexpr (to != DType::f32) fits = fits && !(std::abs(value) >= kTooLarge && std::isfinite(value));
  }
  return fits;
}

template <DType from>
bool cast_to(const std::byte* in, int64_t count, DType to, std::byte* out) {
  if (to == DType::f16) return cast<from, DType::f16>(in, count, out);
  if (to == DType::bf16) return cast<from, DType::bf16>(in, count, out);
  return cast<from, DType::f32>(in, count, out);
}

}  // namespace

bool cast_numbers(const std::byte* from, DType from_dtype, int64_t count, DType dtype, std::byte* out) {
  check(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16, "no type for numbers");
  if (from_dtype == dtype) {
    std::memcpy(out, from, static_cast<size_t>(count * dtype_size(dtype)));
    return true;
  }
  if (from_dtype == DType::f16) return cast_to<DType::f16>(from, count, dtype, out);
  if (from_dtype == DType::bf16) return cast_to<DType::bf16>(from, count, dtype, out);
  return cast_to<DType::f32>(from, count, dtype, out);
}

bool to_numbers(const ops::WeightView& view, DType dtype, std::byte* out, const Machine& machine) {
  const int64_t row_bytes = view.cols * dtype_size(dtype);
  std::atomic<bool> fits = true;
  if (view.format.encoding == ops::Encoding::dense) {
    machine.pool.for_ranges(view.rows, [&](int64_t begin, int64_t end) {
      if (!cast_numbers(view.data + begin * view.row_bytes(), view.format.dtype, (end - begin) * view.cols,
                        dtype, out + begin * row_bytes))
        fits = false;
    });
    return fits;
  }
  // Words become float32 some rows at a time, which stay in cache until they are rounded.
  const int64_t step = std::clamp<int64_t>(kTogether / std::max<int64_t>(view.cols, 1), 1, view.rows);
  std::vector<float> numbers(static_cast<size_t>(step * view.cols));
  for (int64_t first = 0; first < view.rows; first += step) {
    const int64_t count = std::min(step, view.rows - first);
    machine.backend.dequantize({.weight = view, .row = first, .count = count, .out = numbers.data()});
    const auto* from = reinterpret_cast<const std::byte*>(numbers.data());
    machine.pool.for_ranges(count, [&](int64_t begin, int64_t end) {
      if (!cast_numbers(from + begin * view.cols * 4, DType::f32, (end - begin) * view.cols, dtype,
                        out + (first + begin) * row_bytes))
        fits = false;
    });
  }
  return fits;
}

}  // namespace varve::convert
