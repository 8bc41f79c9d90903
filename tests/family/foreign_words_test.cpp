// Quantised tensors in layouts that are not MLX's: mxfp4 in blocks beside their scales, ternary codes four
// rows to a byte, plain weights that are made ternary.
#include "family/fixture.h"
#include "family/tensor_map.h"

namespace varve::family {
namespace {

using fixture::error_of;
using fixture::MadeCheckpoint;
using fixture::numbers;
using testing::ElementsAre;

std::unique_ptr<TensorMap> map_of(const std::string& rules, const MadeCheckpoint& made) {
  const FamilyLibrary library = fixture::library_with("extends = \"llama\"\n" + rules);
  const Family& family = *library.find("mine");
  const ConfigView view = view_of(made.checkpoint, family);
  Answers answers(family, view);
  return std::make_unique<TensorMap>(map_names(made.checkpoint, family, view, answers), "/made");
}

MadeCheckpoint made_with(const std::string& quantization) {
  MadeCheckpoint made(fixture::small_config(R"({"quantization_config": )" + quantization + "}"));
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "/made");
  return made;
}

/// Two matrices of 4 rows and 32 inputs; row r of the first is full of code r, of the second of code 4 + r.
void add_blocks(MadeCheckpoint& made, std::vector<int64_t> shape) {
  std::vector<std::byte> blocks;
  for (int r = 0; r < 8; ++r) blocks.insert(blocks.end(), 16, static_cast<std::byte>(r | r << 4));
  blocks[0] = std::byte{0x50};  // inputs 0 and 1: codes 0 and 5, the low half first
  made.add_bytes("h.mix_blocks", std::move(shape), DType::u8, std::move(blocks));
  made.add_bytes("h.mix_scales", {2, 4, 1}, DType::u8, std::vector<std::byte>(8, std::byte{128}));  // 2^1
}

constexpr char kTurns[] =
    "[tensors]\n\"h.mix\" = \"x.mix.weight\"\n[transforms]\n"
    "\"x.mix.*\" = {split = [\"x.gate.*\", \"x.up.*\"], groups = 2}\n";

TEST(ForeignWords, BlocksOfMxfp4WhoseRowsTakeTurns) {
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{2, 4, 1, 16}, std::vector<int64_t>{2, 4, 16}}) {
    MadeCheckpoint made = made_with(R"({"quant_method": "mxfp4"})");
    add_blocks(made, shape);
    const auto map = map_of(kTurns, made);
    const auto info = map->find("x.gate.weight");
    ASSERT_TRUE(info);
    EXPECT_THAT(info->shape, ElementsAre(2, 2, 32));
    EXPECT_EQ(info->format, (ops::WeightFormat{ops::Encoding::mxfp4, DType::f32, 4, 32}));
    const std::vector<float> gate = numbers(*map, "x.gate.weight"), up = numbers(*map, "x.up.weight");
    EXPECT_THAT(std::vector(gate.begin(), gate.begin() + 3), ElementsAre(0, 6, 0));  // e2m1 of 5 is 3
    EXPECT_THAT((std::vector{gate[32], gate[64], gate[96]}), ElementsAre(2, 4, 8));
    EXPECT_THAT((std::vector{up[0], up[32], up[64], up[96]}), ElementsAre(1, 3, 6, 12));
    EXPECT_THAT(map->names(), ElementsAre("x.gate.weight", "x.up.weight"));
  }
}

TEST(ForeignWords, BlocksThatAreNone) {
  MadeCheckpoint odd = made_with(R"({"quant_method": "mxfp4"})");
  odd.add_bytes("h.mix_blocks", {4, 1, 12}, DType::u8, std::vector<std::byte>(48));
  odd.add_bytes("h.mix_scales", {4, 1}, DType::u8, std::vector<std::byte>(4));
  EXPECT_NE(error_of([&] { map_of(kTurns, odd); }).find("\"h.mix_blocks\" are no mxfp4 blocks"),
            std::string::npos);
  MadeCheckpoint scales = made_with(R"({"quant_method": "mxfp4"})");
  scales.add_bytes("h.mix_blocks", {4, 1, 16}, DType::u8, std::vector<std::byte>(64));
  scales.add_bytes("h.mix_scales", {2, 1}, DType::u8, std::vector<std::byte>(2));
  const auto map = map_of(kTurns, scales);
  EXPECT_NE(error_of([&] { map->find("x.gate.weight"); }).find("has scales of another shape"),
            std::string::npos);
  MadeCheckpoint plain(fixture::small_config());  // without the config's word they are two tensors of bytes
  add_blocks(plain, {2, 4, 1, 16});
  EXPECT_EQ(map_of("", plain)->names().size(), 2u);
}

/// 8 rows of 32 inputs: row r is full of weight r % 3 - 1.
void add_ternary(MadeCheckpoint& made, const std::string& module) {
  std::vector<std::byte> bytes;
  for (int r = 0; r < 2; ++r) {
    int byte = 0;
    for (int i = 0; i < 4; ++i) byte |= ((i * 2 + r) % 3) << (2 * i);
    bytes.insert(bytes.end(), 32, static_cast<std::byte>(byte));
  }
  made.add_bytes(module + ".weight", {2, 32}, DType::u8, std::move(bytes));
}

std::vector<float> first_of_rows(nn::WeightSource& map, const std::string& name) {
  std::vector<float> out;
  const std::vector<float> all = numbers(map, name);
  for (size_t i = 0; i < all.size(); i += 32) out.push_back(all[i]);
  return out;
}

TEST(ForeignWords, TernaryRowsTimesOrDividedByTheirScale) {
  for (const bool divides : {false, true}) {
    MadeCheckpoint made =
        made_with(divides ? R"({"quant_method": "bitnet"})"
                          : R"({"quant_method": "bitnet", "linear_class": "autobitlinear"})");
    add_ternary(made, "a");
    made.add("a.weight_scale", {1}, 4);
    const auto map = map_of("[transforms]\n\"a.*\" = {split = [\"b.*\", \"c.*\"], rows = [3, 5]}\n", made);
    const float one = divides ? 0.25f : 4.0f;
    EXPECT_THAT(first_of_rows(*map, "b.weight"), ElementsAre(-one, 0, one));
    EXPECT_THAT(first_of_rows(*map, "c.weight"), ElementsAre(-one, 0, one, -one, 0));
    EXPECT_EQ(map->find("c.weight")->format, (ops::WeightFormat{ops::Encoding::affine, DType::f32, 2, 32}));
    EXPECT_THAT(map->names(), ElementsAre("b.weight", "c.weight"));
  }
}

TEST(ForeignWords, TernaryRowsBesideMlxWords) {
  MadeCheckpoint made(fixture::small_config(R"({"quantization": {"group_size": 32, "bits": 4}})"));
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "/made");
  add_ternary(made, "a");
  made.add("a.weight_scale", {1}, 3);
  EXPECT_THAT(first_of_rows(*map_of("", made), "a.weight"), ElementsAre(-3, 0, 3, -3, 0, 3, -3, 0));
}

TEST(ForeignWords, TernaryRowsWithoutAScale) {
  MadeCheckpoint none = made_with(R"({"quant_method": "bitnet"})");
  add_ternary(none, "a");
  const auto map = map_of("", none);
  EXPECT_NE(error_of([&] { map->find("a.weight"); }).find("is stored as nothing varve computes with"),
            std::string::npos);
  for (const float bad : {0.0f, std::numeric_limits<float>::infinity()}) {
    none.add("a.weight_scale", {1}, bad);
    EXPECT_NE(error_of([&] { map_of("", none); }).find("\"a.weight_scale\" is no scale of a matrix"),
              std::string::npos);
  }
  none.add("a.weight_scale", {2}, 1);
  EXPECT_NE(error_of([&] { map_of("", none); }).find("one number other than 0"), std::string::npos);
}

TEST(ForeignWords, TernaryRowsOfWidthsWithoutWholeGroupsAreNumbers) {
  MadeCheckpoint made = made_with(R"({"quant_method": "bitnet", "linear_class": "autobitlinear"})");
  std::vector<std::byte> packed(48, std::byte{0b10'01'00'10});  // 1, -1, 0, 1 from the lowest bits on
  made.add_bytes("a.weight", {2, 24}, DType::u8, packed);
  made.add("a.weight_scale", {1}, 3);
  const auto map = map_of("[transforms]\n\"a.*\" = {split = [\"b.*\", \"c.*\"], rows = [3, 5]}\n", made);
  EXPECT_EQ(map->find("c.weight")->format, ops::WeightFormat{});
  const std::vector<float> numbers = map->numbers("c.weight");  // rows 3 to 7 of eight
  ASSERT_EQ(numbers.size(), 5u * 24);
  for (size_t i = 0; i < numbers.size(); ++i)
    EXPECT_EQ(numbers[i], (std::vector<float>{-3, 0, 0, 3, 3})[i / 24]) << i;
}

TEST(ForeignWords, PlainMatricesOfLinearLayersAreMadeTernary) {
  MadeCheckpoint made = made_with(R"({"quant_method": "bitnet", "linear_class": "autobitlinear",
      "quantization_mode": "online", "modules_to_not_convert": ["kept"]})");
  for (const char* name : {"model.embed_tokens.weight", "a.weight", "kept.weight"})
    made.add(name, {1, 32}, -15.5f);  // magnitudes 0.5 to 15.5, twice: their mean is 8
  made.add("norm.weight", {32}, 1);
  const auto map = map_of("", made);
  const std::vector<float> a = numbers(*map, "a.weight");
  EXPECT_EQ(map->find("a.weight")->format.bits, 2);
  EXPECT_THAT((std::vector{a[0], a[11], a[12], a[15], a[16], a[19], a[20], a[31]}),
              ElementsAre(-8, -8, 0, 0, 0, 0, 8, 8));
  EXPECT_EQ(numbers(*map, "model.embed_tokens.weight")[0], -15.5f);
  EXPECT_EQ(numbers(*map, "kept.weight")[0], -15.5f);
  EXPECT_EQ(numbers(*map, "norm.weight")[31], 32);
  MadeCheckpoint wild = made_with(R"({"quant_method": "bitnet", "linear_class": "autobitlinear",
      "quantization_mode": "online"})");
  wild.add("a.weight", {1, 32}, std::numeric_limits<float>::quiet_NaN());
  const auto other = map_of("", wild);
  EXPECT_NE(error_of([&] { numbers(*other, "a.weight"); }).find("holds something that is no number"),
            std::string::npos);
}

TEST(ForeignWords, ColumnsThatTakeTurns) {
  MadeCheckpoint made(fixture::small_config());
  made.add("w.weight", {2, 3, 4});  // two matrices [3 inputs, 4 outputs]
  const auto map = map_of(
      "[transforms]\n\"w.*\" = {transpose = true}\n\"w.weight\" = {split = [\"a.weight\", \"b.weight\"], "
      "groups = 2}\n",
      made);
  EXPECT_THAT(map->find("a.weight")->shape, ElementsAre(2, 2, 3));
  EXPECT_THAT(numbers(*map, "a.weight"), ElementsAre(0, 4, 8, 2, 6, 10, 12, 16, 20, 14, 18, 22));
  EXPECT_THAT(numbers(*map, "b.weight"), ElementsAre(1, 5, 9, 3, 7, 11, 13, 17, 21, 15, 19, 23));
}

}  // namespace
}  // namespace varve::family
