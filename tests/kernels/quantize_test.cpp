// quantize against its scalar twin, against words of MLX's rules made elsewhere, and against its own
// promises.
#include <bit>
#include <fstream>
#include <iterator>
#include <limits>

#include "core/json.h"
#include "kernels/backend.h"
#include "op_support.h"
#include "quantize_support.h"
#include "support/data.h"

namespace varve::kernels::test {
namespace {

constexpr DType kDtypes[] = {DType::f32, DType::f16, DType::bf16};

class Quantize : public EveryTable {};
VARVE_EVERY_TABLE(Quantize);
class QuantizeTwin : public EveryTable {};
VARVE_EVERY_VECTOR_TABLE(QuantizeTwin);

/// Rows that are hard in one way each, then random ones; none beyond `most`.
std::vector<float> hard_rows(int64_t cols, float most, int64_t& rows) {
  const auto n = static_cast<size_t>(cols);
  std::vector<std::vector<float>> all;
  const auto add = [&](auto&& number_at) {
    all.emplace_back(n);
    for (size_t i = 0; i < n; ++i) all.back()[i] = std::clamp<float>(number_at(i), -most, most);
  };
  const std::vector<float> normal = random_floats(n, 1);
  for (const float constant : {0.0f, -0.0f, 0.3f, -0.3f, 1e-7f, 3e38f, -3e38f, 1e32f})
    add([&](size_t) { return constant; });
  add([&](size_t i) { return -std::abs(normal[i]) - 0.05f; });
  add([&](size_t i) { return std::abs(normal[i]) + 0.05f; });
  add([&](size_t i) { return i % 128 == 77 ? -30.0f : 0.02f * normal[i]; });
  add([&](size_t i) { return i % 128 == 5 ? 400.0f : normal[i]; });
  add([&](size_t i) { return std::floor(8 * normal[i]) / 2; });  // halves: ties of codes
  add([&](size_t i) { return std::floor(8 * normal[i]) / 8 * static_cast<float>(1 << (i / 128 % 8)); });
  add([&](size_t i) {
    return i % 32 == 0 ? 255.0f : i % 32 == 1 ? 0.0f : static_cast<float>(i % 32) * 8 - 0.5f;
  });
  for (const float scale : {1e-8f, 1e-30f, 1e-38f, 1e-39f, 1e-44f, 1e30f, 1e37f, 1e-3f, 1.0f, 100.0f})
    add([&](size_t i) { return scale * normal[i]; });
  // Constant groups about half of 1e-7, where the bias becomes zero.
  const auto half = std::bit_cast<uint32_t>(0.5e-7f);
  add([&](size_t i) { return std::bit_cast<float>(half - 8 + static_cast<uint32_t>(i / 128)); });
  // All signs and sizes of bits.
  std::mt19937 engine(3);
  add([&](size_t) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(engine()));
    return std::isfinite(x) ? x : 0.0f;
  });
  rows = static_cast<int64_t>(all.size());
  std::vector<float> flat;
  for (const std::vector<float>& row : all) flat.insert(flat.end(), row.begin(), row.end());
  return flat;
}

TEST_P(QuantizeTwin, GivesTheBitsOfRefInEveryFormat) {
  const int64_t cols = 2048 + 3 * 128;  // more than a piece
  for (const DType source : kDtypes)
    for (const DType dtype : kDtypes) {
      const bool narrow = source == DType::f16 || dtype == DType::f16;
      int64_t rows = 0;
      const Bytes numbers = stored(source, hard_rows(cols, narrow ? 6e4f : 1.6e38f, rows));
      for (const ops::WeightFormat& format : written_formats(dtype)) {
        const Quantised found(kernels().quantize, source, numbers, format, rows, cols);
        const Quantised expected(ref().quantize, source, numbers, format, rows, cols);
        EXPECT_EQ(expected.broken, -1);
        found.expect_same(expected, written_name(format) + " from " + std::string(dtype_name(source)));
      }
    }
}

/// The tensors of tests/cases/quantise, which tools/golden/quantised_words.py makes.
class Words {
 public:
  Words() {
    std::ifstream in(varve::test::source_dir() / "tests/cases/quantise/words.safetensors", std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    uint64_t header = 0;
    std::memcpy(&header, bytes_.data(), sizeof header);
    data_ = sizeof header + header;
    index_ = json::parse(bytes_.substr(sizeof header, header)).value();
  }
  Bytes at(const std::string& name) const {
    const Array& range = index_.table().find(name)->table().find("data_offsets")->array();
    const auto* data = reinterpret_cast<const std::byte*>(bytes_.data()) + data_;
    return {data + range[0].integer(), data + range[1].integer()};
  }

 private:
  std::string bytes_;
  size_t data_ = 0;
  Value index_;
};

Bytes inner(const Bytes& guarded) { return {guarded.begin() + 1, guarded.end() - 1}; }

TEST_P(Quantize, GivesTheWordsOfMlxOnAGpu) {
  const Words words;
  for (const DType dtype : kDtypes) {
    const Bytes numbers =
        words.at("numbers." + varve::test::format_name({.encoding = ops::Encoding::dense, .dtype = dtype}));
    const int64_t cols = 128, rows = static_cast<int64_t>(numbers.size()) / dtype_size(dtype) / cols;
    for (const ops::WeightFormat& format : written_formats(dtype)) {
      const Quantised found(kernels().quantize, dtype, numbers, format, rows, cols);
      const std::string name = written_name(format);
      EXPECT_EQ(found.broken, -1);
      EXPECT_TRUE(inner(found.words) == words.at(name + ".words")) << name;
      EXPECT_TRUE(inner(found.scales) == words.at(name + ".scales")) << name;
      if (found.biases.empty()) continue;
      EXPECT_TRUE(inner(found.biases) == words.at(name + ".biases")) << name;
    }
  }
}

TEST_P(Quantize, RoundsToTheDtypeOfTheFormatFirst) {
  const int64_t rows = 3, cols = 256;
  const std::vector<float> numbers = random_floats(static_cast<size_t>(rows * cols), 4);
  for (const DType dtype : {DType::f16, DType::bf16})
    for (const ops::WeightFormat& format : written_formats(dtype)) {
      const Quantised wide(kernels().quantize, DType::f32, stored(DType::f32, numbers), format, rows, cols);
      const Quantised narrow(kernels().quantize, dtype, stored(dtype, numbers), format, rows, cols);
      wide.expect_same(narrow, written_name(format));
    }
}

TEST_P(Quantize, AffineNumbersComeBackWithinHalfAStep) {
  const int64_t rows = 5, cols = 384;
  const std::vector<float> numbers = random_floats(static_cast<size_t>(rows * cols), 6, 0.1f);
  for (const ops::WeightFormat& format : written_formats(DType::f32)) {
    if (format.encoding != ops::Encoding::affine) continue;
    const Quantised made(kernels().quantize, DType::f32, stored(DType::f32, numbers), format, rows, cols);
    std::vector<float> back(numbers.size());
    kernels().dequantize({.weight = made.view(), .row = 0, .count = rows, .out = back.data()});
    const auto* scales = made.scales.data() + 1;
    const auto group = static_cast<size_t>(format.group);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const float step = std::abs(ops::load_float(DType::f32, scales, static_cast<int64_t>(i / group)));
      const auto first = numbers.begin() + static_cast<int64_t>(i / group * group);
      const auto [low, top] = std::minmax_element(first, first + format.group);
      // A group's far end may be clamped: its edge lies on the grid instead.
      const float width = (*top - *low) / static_cast<float>((1 << format.bits) - 1);
      const float clamped = std::max(0.0f, width - step) * static_cast<float>((1 << format.bits) - 1);
      ASSERT_LE(std::abs(back[i] - numbers[i]), 0.501f * step + clamped) << written_name(format) << " " << i;
    }
  }
}

TEST_P(Quantize, SmallFloatsAreTheNearestOfTheirGrid) {
  const int64_t rows = 3, cols = 128;
  const std::vector<float> numbers = random_floats(static_cast<size_t>(rows * cols), 7, 0.1f);
  for (const ops::WeightFormat& format : written_formats(DType::f32)) {
    if (format.encoding == ops::Encoding::affine) continue;
    const Quantised made(kernels().quantize, DType::f32, stored(DType::f32, numbers), format, rows, cols);
    std::vector<float> back(numbers.size());
    kernels().dequantize({.weight = made.view(), .row = 0, .count = rows, .out = back.data()});
    for (size_t i = 0; i < numbers.size(); ++i) {
      const auto scale = ops::load_scale(made.view().format, made.scales.data() + 1, nullptr,
                                         static_cast<int64_t>(i) / format.group);
      float best = std::numeric_limits<float>::infinity();
      for (uint32_t code = 0; code < (1u << format.bits); ++code)
        if (const float value = ops::decode(made.view().format, code, scale); !std::isnan(value))
          best = std::min(best, std::abs(value - numbers[i]));
      ASSERT_LE(std::abs(back[i] - numbers[i]), best + 1e-6f * std::abs(numbers[i])) << written_name(format);
    }
  }
}

TEST_P(Quantize, NamesTheFirstRowWithoutAFiniteScale) {
  const int64_t rows = 6, cols = 2048 + 128;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> good = random_floats(static_cast<size_t>(rows * cols), 8);
  struct Bad {
    size_t at;
    float number;
  };
  for (const auto& [at, number] :
       {Bad{0, kInfinity}, Bad{37, std::numeric_limits<float>::quiet_NaN()}, Bad{2047, -kInfinity},
        Bad{2175, std::numeric_limits<float>::quiet_NaN()}}) {
    std::vector<float> numbers = good;
    numbers[2 * cols + at] = numbers[5 * cols] = number;
    for (const DType dtype : kDtypes)
      for (const ops::WeightFormat& format : written_formats(dtype)) {
        const Quantised made(kernels().quantize, dtype, stored(dtype, numbers), format, rows, cols);
        ASSERT_EQ(made.broken, 2) << written_name(format) << " " << number << " at " << at;
      }
  }
}

TEST_P(Quantize, NamesRowsThatRoundingOrTheirRangeBreaks) {
  std::vector<float> numbers(3 * 64, 1.0f);
  numbers[64] = 7e4f;
  const Bytes source = stored(DType::f32, numbers);
  for (const ops::WeightFormat& format : written_formats(DType::f16)) {
    if (format.group > 64) continue;
    const Quantised made(kernels().quantize, DType::f32, source, format, 3, 64);
    EXPECT_EQ(made.broken, 1) << written_name(format) << ": 70000 is no number in f16";
  }
  numbers[2 * 64 + 1] = 3e38f;
  numbers[2 * 64 + 9] = -3e38f;
  for (const ops::WeightFormat& format : written_formats(DType::f32)) {
    if (format.group > 64) continue;
    const Quantised made(kernels().quantize, DType::f32, stored(DType::f32, numbers), format, 3, 64);
    EXPECT_EQ(made.broken, format.encoding == ops::Encoding::affine ? 2 : -1) << written_name(format);
  }
}

TEST(QuantizeOp, GivesTheSameOnAnyThreads) {
  const int64_t rows = 37, cols = 2048;
  std::vector<float> numbers = random_floats(static_cast<size_t>(rows * cols), 9);
  for (const bool broken : {false, true}) {
    if (broken) numbers[30 * cols + 5] = numbers[21 * cols] = std::numeric_limits<float>::infinity();
    const Bytes source = stored(DType::bf16, numbers);
    for (const ops::WeightFormat& format : written_formats(DType::bf16)) {
      const auto with = [&](int threads) {
        ThreadPool pool(threads);
        const auto backend = make_backend(forced_backend(), ops::Precision::fast, pool);
        const auto call = [&](const ops::QuantizeArgs& args) { return backend.value()->quantize(args); };
        return Quantised(call, DType::bf16, source, format, rows, cols);
      };
      const Quantised alone = with(1);
      EXPECT_EQ(alone.broken, broken ? 21 : -1);
      for (const int threads : {2, 3}) with(threads).expect_same(alone, written_name(format));
    }
  }
}

}  // namespace
}  // namespace varve::kernels::test
