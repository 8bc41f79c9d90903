#include "convert/numbers.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "convert/fixture.h"
#include "support/weights.h"

namespace varve::convert {
namespace {

TEST(Numbers, AreRoundedAsTheirTypesRound) {
  const std::vector<float> values{0.0f,     -0.0f,    1.0f,  1.00390625f, 3.14159265f,
                                  65504.0f, 65519.0f, 1e-8f, -2.5f};
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) {
    std::vector<std::byte> out(values.size() * 4);
    EXPECT_TRUE(cast_numbers(reinterpret_cast<const std::byte*>(values.data()), DType::f32,
                             static_cast<int64_t>(values.size()), dtype, out.data()));
    for (size_t i = 0; i < values.size(); ++i) {
      uint16_t half = 0;
      float single = 0;
      std::memcpy(&half, out.data() + 2 * i, 2);
      std::memcpy(&single, out.data() + 4 * i, 4);
      if (dtype == DType::f32) {
        EXPECT_EQ(single, values[i]);
      } else {
        EXPECT_EQ(half, dtype == DType::f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]));
      }
    }
  }
}

TEST(Numbers, SayWhenOneDoesNotFit) {
  std::byte out[2];
  for (const float value : {65520.0f, -70000.0f, 3e38f})
    EXPECT_FALSE(cast_numbers(reinterpret_cast<const std::byte*>(&value), DType::f32, 1, DType::f16, out))
        << value;
  const float infinite = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(cast_numbers(reinterpret_cast<const std::byte*>(&infinite), DType::f32, 1, DType::f16, out));
}

TEST(Numbers, OfWordsAreThoseThatTheFormatDefines) {
  fixture::Engine engine(2);
  for (const ops::WeightFormat& format : test::all_weight_formats()) {
    const test::RandomMatrix matrix(format, 5, 256, 7, true);
    std::vector<float> expected(5 * 256), found(expected.size());
    ops::dequantize_rows(matrix.view(), 0, 5, expected.data());
    to_numbers(matrix.view(), DType::f32, reinterpret_cast<std::byte*>(found.data()), engine.machine());
    EXPECT_EQ(std::memcmp(expected.data(), found.data(), expected.size() * 4), 0)
        << test::format_name(format);
  }
}

}  // namespace
}  // namespace varve::convert
