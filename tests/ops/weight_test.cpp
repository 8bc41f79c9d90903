#include "ops/weight.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "ops/tile.h"
#include "support/weights.h"

namespace varve::ops {
namespace {

using test::RandomMatrix;

std::vector<std::byte> bytes_of(const std::vector<uint32_t>& words) {
  std::vector<std::byte> bytes(words.size() * 4);
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

std::vector<float> dequantize(const WeightView& view, int64_t row) {
  std::vector<float> out(static_cast<size_t>(view.cols));
  dequantize_rows(view, row, 1, out.data());
  return out;
}

TEST(Weight, FourBitWordsHoldTheLowNibbleFirst) {
  const auto data = bytes_of({0x76543210, 0xfedcba98, 0x76543210, 0xfedcba98});
  const std::vector<float> scales{0.5f}, biases{-2.0f};
  WeightView view{
      .format = {Encoding::affine, DType::f32, 4, 32}, .rows = 1, .cols = 32, .data = data.data()};
  view.scales = reinterpret_cast<const std::byte*>(scales.data());
  view.biases = reinterpret_cast<const std::byte*>(biases.data());
  const std::vector<float> row = dequantize(view, 0);
  for (size_t k = 0; k < 32; ++k) EXPECT_EQ(row[k], static_cast<float>(k % 16) * 0.5f - 2.0f) << k;
}

TEST(Weight, ThreeBitCodesAreOneStream) {
  // 32 codes k % 8 as one LSB-first stream: 8 codes make 0xfac688.
  const auto data = bytes_of({0x88fac688, 0xc688fac6, 0xfac688fa});
  const std::vector<float> scales{1.0f}, biases{0.0f};
  WeightView view{
      .format = {Encoding::affine, DType::f32, 3, 32}, .rows = 1, .cols = 32, .data = data.data()};
  view.scales = reinterpret_cast<const std::byte*>(scales.data());
  view.biases = reinterpret_cast<const std::byte*>(biases.data());
  const std::vector<float> row = dequantize(view, 0);
  for (size_t k = 0; k < 32; ++k) EXPECT_EQ(row[k], static_cast<float>(k % 8)) << k;
}

TEST(Weight, SmallFloatsFollowTheirScales) {
  const auto fp4 = bytes_of({0x76543210, 0xfedcba98, 0, 0});
  const std::vector<uint8_t> e8m0{128};
  const WeightView mxfp4{.format = {Encoding::mxfp4, DType::f32, 4, 32},
                         .rows = 1,
                         .cols = 32,
                         .data = fp4.data(),
                         .scales = reinterpret_cast<const std::byte*>(e8m0.data())};
  EXPECT_EQ(dequantize(mxfp4, 0)[7], 12.0f);
  EXPECT_EQ(dequantize(mxfp4, 0)[9], -1.0f);

  const std::vector<uint8_t> e4m3{0x38, 0x7e};  // 1, 448
  const WeightView nvfp4{.format = {Encoding::nvfp4, DType::f32, 4, 16},
                         .rows = 1,
                         .cols = 32,
                         .data = fp4.data(),
                         .scales = reinterpret_cast<const std::byte*>(e4m3.data())};
  EXPECT_EQ(dequantize(nvfp4, 0)[15], -6.0f);
  EXPECT_EQ(dequantize(nvfp4, 0)[16], 0.0f);

  const auto fp8 = bytes_of({0x7e01b838, 0, 0, 0, 0, 0, 0, 0});
  const std::vector<uint8_t> one{0};
  const WeightView mxfp8{.format = {Encoding::mxfp8, DType::f32, 8, 32},
                         .rows = 1,
                         .cols = 32,
                         .data = fp8.data(),
                         .scales = reinterpret_cast<const std::byte*>(one.data())};
  EXPECT_EQ(dequantize(mxfp8, 0)[1], -0x1p-127f);  // scale byte 0 is 2^-127, not zero

  const auto blocks = bytes_of({0x7e01b838, 0, 0, 0, 0, 0, 0, 0, 0x38});
  const std::vector<float> scales{0.1f, 3.0f};
  const WeightView plain{.format = {Encoding::fp8, DType::f32, 8, 32},
                         .rows = 1,
                         .cols = 36,
                         .data = blocks.data(),
                         .scales = reinterpret_cast<const std::byte*>(scales.data())};
  EXPECT_EQ(dequantize(plain, 0)[1], -0.1f);
  EXPECT_EQ(dequantize(plain, 0)[3], 448.0f * 0.1f);
  EXPECT_EQ(dequantize(plain, 0)[32], 3.0f);  // the second group is short
}

TEST(Weight, ScalesOfKQuantsAreProducts) {
  // Codes k % 16 in groups of 32; s of group g is g - 3, m is 2 g.
  const auto data = bytes_of(std::vector<uint32_t>(32, 0xfedcba98));
  const uint16_t half = f32_to_f16(0.5f), quarter = f32_to_f16(0.25f);
  std::vector<std::byte> scales(10), biases(10);
  std::memcpy(scales.data(), &half, 2);
  std::memcpy(biases.data(), &quarter, 2);
  for (size_t g = 0; g < 8; ++g) {
    scales[2 + g] = static_cast<std::byte>(g - 3);
    biases[2 + g] = static_cast<std::byte>(2 * g);
  }
  WeightView view{
      .format = {Encoding::kquant, DType::f32, 4, 32}, .rows = 1, .cols = 256, .data = data.data()};
  view.scales = scales.data();
  view.biases = biases.data();
  EXPECT_EQ(view.total_bytes(), 128 + 10 + 10);
  const std::vector<float> row = dequantize(view, 0);
  for (size_t k = 0; k < 256; ++k)
    EXPECT_EQ(row[k], static_cast<float>(8 + k % 8) * 0.5f * (static_cast<float>(k / 32) - 3) -
                          0.5f * static_cast<float>(k / 32))
        << k;
}

TEST(Weight, KQuantsWithoutMinimaAreCentred) {
  const auto data = bytes_of(std::vector<uint32_t>(48, 0));  // 256 codes of 6 bits
  std::vector<std::byte> scales(18, std::byte{0x80});        // -128
  const uint16_t one = f32_to_f16(1.0f);
  std::memcpy(scales.data(), &one, 2);
  WeightView view{
      .format = {Encoding::kquant, DType::f32, 6, 16}, .rows = 1, .cols = 256, .data = data.data()};
  view.scales = scales.data();
  EXPECT_EQ(view.total_bytes(), 192 + 18);
  EXPECT_EQ(dequantize(view, 0)[255], -32.0f * -128.0f);
}

TEST(Pack, KeepsEveryBitOfEveryFormat) {
  for (const WeightFormat& format : test::all_weight_formats()) {
    for (const int64_t rows : {1, 16, 37}) {
      const int64_t cols = format.encoding == Encoding::dense    ? 195
                           : format.encoding == Encoding::kquant ? 3 * kSuperGroup
                                                                 : format.group * 5;
      const RandomMatrix matrix(format, rows, cols, 7, true);
      const PackedWeight packed = pack(matrix.view());
      EXPECT_EQ(packed.tiles.size(), static_cast<size_t>((rows + 15) / 16 * packed.block_bytes));
      std::vector<float> row(static_cast<size_t>(cols));
      for (int64_t r = 0; r < rows; ++r) {
        unpack_row(packed, r, row.data());
        EXPECT_EQ(std::memcmp(row.data(), dequantize(matrix.view(), r).data(), row.size() * 4), 0)
            << test::format_name(format) << " row " << r << " of " << rows;
      }
    }
  }
}

TEST(Pack, Fp8RowsMayEndAnywhereInAGroup) {
  for (const int group : {32, 64, 128})
    for (const int64_t cols : {1, 15, 16, 63, 64, 65, 127, 128, 130, 132, 191, 192, 257}) {
      const RandomMatrix matrix({Encoding::fp8, DType::f32, 8, group}, 17, cols, 3, true);
      const PackedWeight packed = pack(matrix.view());
      EXPECT_EQ(packed.tiles.size(), static_cast<size_t>(2 * packed.block_bytes));
      std::vector<float> row(static_cast<size_t>(cols));
      for (int64_t r = 0; r < 17; ++r) {
        unpack_row(packed, r, row.data());
        EXPECT_EQ(row, dequantize(matrix.view(), r)) << cols << " inputs in groups of " << group;
      }
    }
}

TEST(Pack, RowsPastTheEndAreZero) {
  const RandomMatrix matrix({Encoding::affine, DType::f16, 4, 32}, 17, 64);
  const PackedWeight packed = pack(matrix.view());
  const TileLayout layout = tile_layout(packed.format, packed.cols);
  const auto* second = packed.tiles.as<uint16_t>() + layout.block_bytes / 2;
  EXPECT_NE(second[0], 0);
  for (int r = 1; r < 16; ++r) EXPECT_EQ(second[r], 0) << r;
}

TEST(Pack, AWordHoldsFourInputsInABytePlane) {
  // Codes 0..15 twice: byte b of word 0 is input b below input 4 + b.
  const auto data = bytes_of({0x76543210, 0xfedcba98, 0x76543210, 0xfedcba98});
  const std::vector<float> scales{1.0f}, biases{0.0f};
  WeightView view{
      .format = {Encoding::affine, DType::f32, 4, 32}, .rows = 1, .cols = 32, .data = data.data()};
  view.scales = reinterpret_cast<const std::byte*>(scales.data());
  view.biases = reinterpret_cast<const std::byte*>(biases.data());
  const PackedWeight packed = pack(view);
  const TileLayout layout = tile_layout(view.format, 32);
  EXPECT_EQ(layout.header_bytes, 128);
  const auto* words = reinterpret_cast<const uint32_t*>(packed.tiles.data() + layout.header_bytes);
  EXPECT_EQ(words[0], 0x73625140u);
  EXPECT_EQ(words[16], 0xfbead9c8u);
}

TEST(PackDeathTest, RefusesWhatNoKernelKnows) {
  WeightView view{.format = {Encoding::affine, DType::f32, 7, 64}, .rows = 1, .cols = 64};
  EXPECT_DEATH(pack(view), "format");
  view.format.bits = 4;
  view.cols = 65;
  EXPECT_DEATH(pack(view), "multiple");
  view = {.format = {Encoding::kquant, DType::f32, 4, 32}, .rows = 1, .cols = 128};
  EXPECT_DEATH(pack(view), "multiple");
  view.format.group = 16;
  EXPECT_DEATH(pack(view), "format");
}

}  // namespace
}  // namespace varve::ops
