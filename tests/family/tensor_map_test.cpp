// Canonical tensors out of stored ones: renames, stacks, splits, permutations, quantised words, and what is
// refused.
#include "family/tensor_map.h"

#include "family/fixture.h"
#include "nn/loader.h"
#include "nn/model.h"
#include "ops/bits.h"

namespace varve::family {
namespace {

using fixture::error_of;
using fixture::MadeCheckpoint;
using fixture::numbers;
using testing::ElementsAre;

std::string shape_text(const nn::WeightSource::Info& info) {
  std::string out;
  for (const int64_t dim : info.shape) out += std::to_string(dim) + " ";
  return out;
}

/// A family whose tensor rules are `rules`, over the tensors of `made`.
std::unique_ptr<TensorMap> map_of(const std::string& rules, const MadeCheckpoint& made) {
  const FamilyLibrary library = fixture::library_with("extends = \"llama\"\n" + rules);
  const Family& family = *library.find("mine");
  const ConfigView view = view_of(made.checkpoint, family);
  Answers answers(family, view);
  return std::make_unique<TensorMap>(map_names(made.checkpoint, family, view, answers), "/made");
}

/// Affine words of 8 bits, group 32: rows x 32, row r full of code r; scale 1, bias 0.
void add_words(MadeCheckpoint& made, const std::string& module, std::vector<int64_t> shape) {
  int64_t rows = 1;
  for (const int64_t dim : shape) rows *= dim;
  std::vector<std::byte> words;
  std::vector<std::byte> ones(static_cast<size_t>(rows) * 4), zeros(static_cast<size_t>(rows) * 4);
  for (int64_t r = 0; r < rows; ++r) {
    words.insert(words.end(), 32, static_cast<std::byte>(r));
    const float one = 1.0f;
    std::memcpy(ones.data() + r * 4, &one, 4);
  }
  std::vector<int64_t> word_shape = shape, scale_shape = shape;
  word_shape.push_back(8);
  scale_shape.push_back(1);
  made.add_bytes(module + ".weight", word_shape, DType::u32, std::move(words));
  made.add_bytes(module + ".scales", scale_shape, DType::f32, std::move(ones));
  made.add_bytes(module + ".biases", scale_shape, DType::f32, std::move(zeros));
}

Value quantised_config() {
  return fixture::small_config(R"({"quantization": {"group_size": 32, "bits": 8}})");
}

TEST(TensorMap, AViewIntoTheFile) {
  MadeCheckpoint made(fixture::small_config());
  made.add("a.weight", {4, 2});
  const auto map = map_of("[tensors]\n\"a.*\" = \"x.*\"\n", made);
  ASSERT_TRUE(map->find("x.weight"));
  const nn::SourceMatrix matrix = map->matrix("x.weight");
  EXPECT_EQ(matrix.view.data, made.checkpoint.find("a.weight")->bytes.data());
  EXPECT_FALSE(map->find("a.weight"));
  EXPECT_TRUE(map->unclaimed().empty());
}

TEST(TensorMap, RenamesApplyInOrderOneAfterAnother) {
  MadeCheckpoint made(fixture::small_config());
  made.add("language_model.model.layers.0.moe.gate.weight", {1, 1}, 5);
  const auto map =
      map_of("[tensors]\n\"language_model.*\" = \"*\"\n\"*.moe.gate.*\" = \"*.mlp.router.*\"\n", made);
  EXPECT_THAT(numbers(*map, "model.layers.0.mlp.router.weight"), ElementsAre(5));
}

TEST(TensorMap, HowATensorIsStoredMaySwitchATransform) {
  const std::string rules = R"([config]
less_one = [{cols = "*.conv.weight", words = {1 = false}, only = true}, {has = "*.conv.weight", value = true}]
[transforms]
"model.norm.weight" = {add = 1, when = "$less_one"}
)";
  for (const auto& [shape, first] : {std::pair<std::vector<int64_t>, float>{{3, 1, 4}, 1.0f},
                                     std::pair<std::vector<int64_t>, float>{{3, 4, 1}, 0.0f}}) {
    MadeCheckpoint made(fixture::small_config());
    made.add("model.layers.0.conv.weight", shape);
    made.add("model.norm.weight", {2});
    EXPECT_THAT(numbers(*map_of(rules, made), "model.norm.weight"), ElementsAre(first, first + 1));
  }
}

TEST(TensorMap, FusedProjectionsSplitWithoutACopy) {
  MadeCheckpoint made(fixture::small_config());
  made.add("model.layers.0.self_attn.qkv_proj.weight", {16, 2});
  made.add("model.layers.0.self_attn.qkv_proj.bias", {16});
  made.add("model.layers.0.mlp.gate_up_proj.weight", {6, 1});
  const auto map = map_of("", made);
  EXPECT_EQ(shape_text(*map->find("model.layers.0.self_attn.q_proj.weight")), "8 2 ");
  EXPECT_EQ(shape_text(*map->find("model.layers.0.self_attn.v_proj.weight")), "4 2 ");
  const auto* fused = made.checkpoint.find("model.layers.0.self_attn.qkv_proj.weight");
  EXPECT_EQ(map->matrix("model.layers.0.self_attn.k_proj.weight").view.data, fused->bytes.data() + 8 * 2 * 4);
  EXPECT_THAT(numbers(*map, "model.layers.0.self_attn.k_proj.bias"), ElementsAre(8, 9, 10, 11));
  EXPECT_THAT(numbers(*map, "model.layers.0.mlp.up_proj.weight"), ElementsAre(3, 4, 5));
}

TEST(TensorMap, FusedByGroups) {
  MadeCheckpoint made(fixture::small_config());  // 2 heads: q k v of head 0, then of head 1
  made.add("h.weight", {6, 1});
  const auto map =
      map_of("[transforms]\n\"h.*\" = {split = [\"q.*\", \"k.*\", \"v.*\"], groups = \"$heads\"}\n", made);
  EXPECT_THAT(numbers(*map, "q.weight"), ElementsAre(0, 3));
  EXPECT_THAT(numbers(*map, "k.weight"), ElementsAre(1, 4));
  EXPECT_THAT(numbers(*map, "v.weight"), ElementsAre(2, 5));
}

constexpr std::string_view kTakenApart = R"([transforms]
"h.*" = {split = ["k.*", "v.*"], rows = [2, 1], groups = "$heads", stack = true}
"k.*" = {transpose = true}
)";

TEST(TensorMap, GroupsBecomeAStackAndAreTurned) {
  MadeCheckpoint made(fixture::small_config());  // of each of 2 heads: two rows of k, one of v
  made.add("h.weight", {6, 3});
  const auto map = map_of(std::string(kTakenApart), made);
  EXPECT_EQ(shape_text(*map->find("k.weight")), "2 3 2 ");
  EXPECT_EQ(shape_text(*map->find("v.weight")), "2 1 3 ");
  EXPECT_THAT(numbers(*map, "k.weight"), ElementsAre(0, 3, 1, 4, 2, 5, 9, 12, 10, 13, 11, 14));
  EXPECT_THAT(numbers(*map, "v.weight"), ElementsAre(6, 7, 8, 15, 16, 17));
  EXPECT_EQ(map->matrix("v.weight", 1).view.rows, 1);
}

TEST(TensorMap, QuantisedWordsAreTurnedAsNumbers) {
  MadeCheckpoint made(quantised_config());
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "made");
  add_words(made, "h", {6});
  const auto map = map_of(std::string(kTakenApart), made);
  const auto keys = *map->find("k.weight"), values = *map->find("v.weight");
  EXPECT_EQ(shape_text(keys), "2 32 2 ");
  EXPECT_EQ(keys.format, ops::WeightFormat{});
  EXPECT_EQ(values.format.encoding, ops::Encoding::affine);
  EXPECT_EQ(map->matrix("k.weight").view.format, ops::WeightFormat{});
  const std::vector<float> turned = numbers(*map, "k.weight");
  EXPECT_THAT(std::vector<float>(turned.begin() + 62, turned.begin() + 66), ElementsAre(0, 1, 3, 4));
  EXPECT_EQ(numbers(*map, "v.weight")[32], 5);
}

TEST(TensorMap, RowsArePickedBeforeAMatrixIsTurned) {
  MadeCheckpoint made(fixture::small_config());
  made.add("h.weight", {6, 3});
  const std::string error =
      error_of([&] { map_of(std::string(kTakenApart) + "\"v.*\" = {unpair = 1}\n", made); });
  EXPECT_NE(error.find("comes too late"), std::string::npos) << error;
}

TEST(TensorMap, AStackIsMadeOfGroups) {
  MadeCheckpoint made(fixture::small_config());
  const std::string error =
      error_of([&] { map_of("[transforms]\n\"h.*\" = {split = [\"k.*\"], stack = true}\n", made); });
  EXPECT_NE(error.find("\"stack\" goes with \"groups\""), std::string::npos) << error;
}

TEST(TensorMap, Fp8BlocksGiveEveryRowItsScales) {
  MadeCheckpoint made(fixture::small_config(
      R"({"quantization_config": {"quant_method": "fp8", "weight_block_size": [2, 32]}})"));
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "made");
  const std::vector<std::byte> ones(3 * 40, std::byte{0x38});
  made.add_bytes("h.weight", {3, 40}, DType::f8_e4m3, ones);
  made.add("h.weight_scale_inv", {2, 2}, 1);
  const auto map = map_of("[transforms]\n\"h.*\" = {split = [\"a.*\", \"b.*\"], rows = [1, 2]}\n", made);
  const auto info = *map->find("b.weight");
  EXPECT_EQ(shape_text(info), "2 40 ");
  EXPECT_EQ(info.format, (ops::WeightFormat{.encoding = ops::Encoding::fp8, .bits = 8, .group = 32}));
  const std::vector<float> rows = numbers(*map, "b.weight");
  EXPECT_THAT((std::vector<float>{rows[0], rows[31], rows[32], rows[39]}), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT((std::vector<float>{rows[40], rows[71], rows[72], rows[79]}), ElementsAre(3, 3, 4, 4));
  EXPECT_TRUE(map->find("a.weight"));
  EXPECT_TRUE(map->unclaimed().empty());
}

TEST(TensorMap, Fp8ScalesMustFitTheBlocks) {
  MadeCheckpoint made(fixture::small_config(R"({"quantization_config": {"quant_method": "fp8"}})"));
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "made");
  made.add_bytes("h.weight", {3, 200}, DType::f8_e4m3, std::vector<std::byte>(600));
  made.add("h.weight_scale_inv", {2, 1});
  made.add_bytes("bare.weight", {3, 200}, DType::f8_e4m3, std::vector<std::byte>(600));
  const auto map = map_of("", made);
  const std::string error = error_of([&] { map->find("h.weight"); });
  EXPECT_NE(error.find("scales of another shape"), std::string::npos) << error;
  EXPECT_NE(error.find("[1, 2]"), std::string::npos) << error;
  EXPECT_NE(error_of([&] { map->find("bare.weight"); }).find("weight_scale_inv"), std::string::npos);
}

TEST(TensorMap, ASplitThatTheConfigContradicts) {
  MadeCheckpoint made(fixture::small_config());
  made.add("model.layers.0.self_attn.qkv_proj.weight", {15, 2});
  const std::string error = error_of([&] { map_of("", made); });
  EXPECT_NE(error.find("\"model.layers.0.self_attn.qkv_proj.weight\" does not split into"), std::string::npos)
      << error;
  EXPECT_NE(error.find("expected: 1 x (8 + 4 + 4) rows, by the config\n  found:    15 rows"),
            std::string::npos)
      << error;
}

TEST(TensorMap, ExpertsOneByOneAndStacked) {
  MadeCheckpoint one_by_one(fixture::small_config());
  for (int e = 0; e < 3; ++e)
    one_by_one.add("model.layers.0.mlp.experts." + std::to_string(e) + ".up_proj.weight", {2, 1},
                   static_cast<float>(10 * e));
  MadeCheckpoint stacked(fixture::small_config());
  stacked.add("model.layers.0.mlp.switch_mlp.up_proj.weight", {3, 2, 1});
  for (MadeCheckpoint* made : {&one_by_one, &stacked}) {
    const auto map = map_of("", *made);
    const std::string name = "model.layers.0.mlp.experts.up_proj.weight";
    EXPECT_EQ(shape_text(*map->find(name)), "3 2 1 ");
    const nn::SourceMatrix last = map->matrix(name, 2);
    float first = 0;
    std::memcpy(&first, last.view.data, sizeof first);
    EXPECT_EQ(first, made == &stacked ? 4 : 20);
    EXPECT_EQ(last.view.rows, 2);
  }
}

TEST(TensorMap, AnExpertIsMissingOrDifferent) {
  MadeCheckpoint gap(fixture::small_config());
  gap.add("a.mlp.experts.0.up_proj.weight", {2, 1});
  gap.add("a.mlp.experts.2.up_proj.weight", {2, 1});
  EXPECT_EQ(
      error_of([&] { map_of("", gap); }),
      "/made/config.json: an expert of \"a.mlp.experts.up_proj.weight\" is missing\n  expected: expert 1\n"
      "  found:    the next one is \"a.mlp.experts.2.up_proj.weight\"\n  A shard may be missing.");
  MadeCheckpoint other(fixture::small_config());
  other.add("a.mlp.experts.0.up_proj.weight", {2, 1});
  other.add("a.mlp.experts.1.up_proj.weight", {3, 1});
  EXPECT_NE(error_of([&] { map_of("", other); }).find("differ in shape or quantisation"), std::string::npos);
}

TEST(TensorMap, EveryExpertsScalesAreChecked) {
  const auto with_scales = [](std::vector<int64_t> shape, DType dtype, size_t bytes) {
    MadeCheckpoint made(quantised_config());
    made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "/made");
    add_words(made, "a.mlp.experts.0.up_proj", {2});
    add_words(made, "a.mlp.experts.1.up_proj", {2});
    made.add_bytes("a.mlp.experts.1.up_proj.scales", std::move(shape), dtype, std::vector<std::byte>(bytes));
    const auto map = map_of("", made);
    return error_of([&] { map->find("a.mlp.experts.up_proj.weight"); });
  };
  EXPECT_NE(with_scales({1, 1}, DType::f32, 4).find("experts.1.up_proj.weight\" has scales of another shape"),
            std::string::npos);
  EXPECT_NE(with_scales({2, 1}, DType::f16, 4).find("of another kind"), std::string::npos);
  EXPECT_NE(with_scales({2, 1}, DType::f4, 1).find("of another kind"), std::string::npos);
}

TEST(TensorMap, TwoTensorsOfOneName) {
  MadeCheckpoint made(fixture::small_config());
  made.add("a.weight", {1, 1});
  made.add("b.weight", {1, 1});
  EXPECT_EQ(error_of([&] { map_of("[tensors]\n\"a.*\" = \"x.*\"\n\"b.*\" = \"x.*\"\n", made); }),
            "/made/config.json: two tensors are both \"x.weight\"\n  expected: one\n  found:    \"a.weight\" "
            "and \"b.weight\"");
}

TEST(TensorMap, QuantisedWordsSplitAndStackInPlace) {
  MadeCheckpoint made(quantised_config());
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "/made");
  add_words(made, "model.layers.0.self_attn.qkv_proj", {16});
  add_words(made, "model.layers.0.mlp.switch_mlp.up_proj", {2, 3});
  const auto map = map_of("", made);
  const auto info = map->find("model.layers.0.self_attn.k_proj.weight");
  EXPECT_EQ(shape_text(*info), "4 32 ");
  EXPECT_EQ(info->format, (ops::WeightFormat{ops::Encoding::affine, DType::f32, 8, 32}));
  EXPECT_EQ(info->stored_bytes, 4 * (32 + 4 + 4));
  const nn::SourceMatrix k = map->matrix("model.layers.0.self_attn.k_proj.weight");
  EXPECT_EQ(k.view.data,
            made.checkpoint.find("model.layers.0.self_attn.qkv_proj.weight")->bytes.data() + 8 * 32);
  EXPECT_EQ(k.view.scales,
            made.checkpoint.find("model.layers.0.self_attn.qkv_proj.scales")->bytes.data() + 8 * 4);
  EXPECT_EQ(numbers(*map, "model.layers.0.self_attn.v_proj.weight").front(), 12);
  EXPECT_EQ(shape_text(*map->find("model.layers.0.mlp.experts.up_proj.weight")), "2 3 32 ");
  EXPECT_EQ(std::to_integer<int>(*map->matrix("model.layers.0.mlp.experts.up_proj.weight", 1).view.data), 3);
  EXPECT_EQ(map->names().size(), 4u) << "scales and biases belong to their weights";
}

TEST(TensorMap, ModulesAreQuantisedByTheirOwnNames) {
  MadeCheckpoint made(
      fixture::small_config(R"({"quantization": {"group_size": 32, "bits": 8, "a.b": false}})"));
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "/made");
  add_words(made, "a.b", {2});
  const auto map = map_of("[tensors]\n\"a.*\" = \"x.*\"\n", made);
  EXPECT_NE(error_of([&] { map->find("x.b.weight"); }).find("is stored as nothing varve computes with"),
            std::string::npos);
}

TEST(TensorMap, WordsAndScalesThatDoNotBelongTogether) {
  MadeCheckpoint made(quantised_config());
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "/made");
  add_words(made, "a", {2});
  made.add("a.scales", {2, 2});
  const auto map = map_of("", made);
  EXPECT_EQ(error_of([&] { map->find("a.weight"); }),
            "/made: tensor \"a.weight\" has scales of another shape\n  expected: [2, 1]\n  found:    [2, 2]");
}

TEST(TensorMap, PairsToHalves) {
  MadeCheckpoint made(quantised_config());
  made.checkpoint.quantization = checkpoint::read_quantization(made.checkpoint.config, "/made");
  add_words(made, "q", {8});
  made.add("q.bias", {8});
  const auto map = map_of("[transforms]\n\"q.*\" = {unpair = \"$heads\"}\n", made);
  EXPECT_THAT(numbers(*map, "q.bias"), ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  const std::vector<float> rows = numbers(*map, "q.weight");
  for (const int r : {0, 1, 2, 3})
    EXPECT_EQ(rows[static_cast<size_t>(r) * 32], (std::array{0, 2, 1, 3}[static_cast<size_t>(r)]));
}

TEST(TensorMap, BlocksOfGgufMoveByRows) {
  MadeCheckpoint made(fixture::small_config());
  std::vector<std::byte> blocks;  // Q8_0: scale 1, row r full of r
  for (int r = 0; r < 4; ++r) {
    const uint16_t one = f32_to_f16(1.0f);
    blocks.resize(blocks.size() + 2);
    std::memcpy(blocks.data() + blocks.size() - 2, &one, 2);
    blocks.insert(blocks.end(), 32, static_cast<std::byte>(r));
  }
  made.add_bytes("q.weight", {4, 32}, DType::u8, std::move(blocks));
  made.checkpoint.tensors["q.weight"].block = checkpoint::BlockType::q8_0;
  const auto plain = map_of("", made);
  EXPECT_EQ(numbers(*plain, "q.weight")[33], 1);
  EXPECT_EQ(plain->find("q.weight")->format.bits, 8);
  const auto turned = map_of("[transforms]\n\"q.*\" = {unpair = 1}\n", made);
  EXPECT_EQ(numbers(*turned, "q.weight")[33], 2);
  const auto half = map_of("[transforms]\n\"q.*\" = {split = [\"a.*\", \"b.*\"]}\n", made);
  EXPECT_EQ(numbers(*half, "b.weight").front(), 2);
}

TEST(TensorMap, TransposeAndAdd) {
  MadeCheckpoint made(fixture::small_config());
  made.add("w.weight", {2, 3});
  made.add("norm.weight", {2});
  const auto map = map_of(
      "[transforms]\n\"w.*\" = {transpose = true}\n\"w.weight\" = {split = [\"a.weight\", \"b.weight\"], "
      "rows = [1, 2]}\n"
      "\"*norm.weight\" = {add = 1}\n",
      made);
  EXPECT_EQ(shape_text(*map->find("b.weight")), "2 2 ");
  EXPECT_THAT(numbers(*map, "a.weight"), ElementsAre(0, 3));
  EXPECT_THAT(numbers(*map, "b.weight"), ElementsAre(1, 4, 2, 5));
  EXPECT_THAT(numbers(*map, "norm.weight"), ElementsAre(1, 2));
}

TEST(TensorMap, KernelsWithChannelsLastAndThoseThatAreSo) {
  MadeCheckpoint made(fixture::small_config());
  made.add("a.weight", {2, 1, 3});
  made.add("b.weight", {2, 3, 1});
  const auto map = map_of("[transforms]\n\"*.weight\" = {channels_last = true}\n", made);
  for (const char* name : {"a.weight", "b.weight"}) {
    EXPECT_EQ(shape_text(*map->find(name)), "2 3 1 ") << name;
    EXPECT_THAT(numbers(*map, name), ElementsAre(0, 1, 2, 3, 4, 5)) << name;
  }
}

TEST(TensorMap, ScaledWholeAndByRunsOfRows) {
  MadeCheckpoint made(fixture::small_config(R"({"parts_by": [10, 100]})"));
  made.add("a.weight", {3, 2});
  made.add("b.weight", {3, 2});
  const std::string rules = R"([config]
parts_by = "parts_by"
[transforms]
"a.weight" = {scale = "$heads"}
"b.weight" = {scale = 2, by_rows = "$parts_by", rows = [1, 2]}
)";
  const auto map = map_of(rules, made);
  EXPECT_THAT(numbers(*map, "a.weight"), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(numbers(*map, "b.weight"), ElementsAre(0, 20, 400, 600, 800, 1000));
  const nn::SourceMatrix last = map->rows("b.weight", 0, 2, 1);
  EXPECT_EQ(ops::load_float(DType::f32, last.view.data, 1), 1000);
  EXPECT_NE(error_of([&] {
              map_of("[transforms]\n\"b.*\" = {scale = 2, by_rows = [1, 1], rows = [1, 1]}\n", made);
            }).find("3 rows"),
            std::string::npos);
}

TEST(TensorMap, ARenameUnderACondition) {
  MadeCheckpoint made(fixture::small_config());
  made.add("a.weight", {2, 1});
  made.add("b.weight", {2, 1});
  const auto map = map_of(R"([config]
there = {has = "b.weight", value = true}
gone  = {has = "c.weight", value = true}
[tensors]
"a.*" = {to = "x.*", when = "$there"}
"b.*" = {to = "y.*", when = "$gone"}
)",
                          made);
  EXPECT_THAT(map->names(), ElementsAre("b.weight", "x.weight"));
}

TEST(TensorMap, AConditionOnATransform) {
  for (const bool on : {true, false}) {
    MadeCheckpoint made(fixture::small_config(on ? R"({"plus": true})" : R"({"plus": false})"));
    made.add("norm.weight", {1});
    const auto map =
        map_of("[config]\nplus = \"plus\"\n[transforms]\n\"norm.*\" = {add = 1, when = \"$plus\"}\n", made);
    EXPECT_THAT(numbers(*map, "norm.weight"), ElementsAre(on ? 1 : 0));
  }
}

TEST(TensorMap, DroppedTensors) {
  for (const bool tied : {true, false}) {
    MadeCheckpoint made(fixture::small_config(tied ? "{}" : R"({"tie_word_embeddings": false})"));
    made.add("lm_head.weight", {2, 2});
    made.add("model.layers.0.self_attn.rotary_emb.inv_freq", {2});
    const auto map = map_of("", made);
    EXPECT_EQ(map->find("lm_head.weight").has_value(), !tied);
    EXPECT_EQ(map->dropped().size(), tied ? 2u : 1u);
  }
}

TEST(TensorMap, AnotherNumberOfLayers) {
  MadeCheckpoint made(fixture::small_config(R"({"num_hidden_layers": 3})"));
  for (const char* layer : {"0", "1"})
    made.add("model.layers." + std::string(layer) + ".input_layernorm.weight", {8});
  const std::string fewer = error_of([&] { resolve(made.checkpoint, FamilyLibrary::builtin()); });
  EXPECT_EQ(fewer,
            "/made/config.json: the config and the tensors disagree about the number of layers\n"
            "  expected: 2 layers, by the tensors' names\n  found:    3, from config \"num_hidden_layers\"\n"
            "  A shard may be missing, or the config is another model's.");
  made.checkpoint.config.table().set("num_hidden_layers", 1);
  EXPECT_NE(error_of([&] { resolve(made.checkpoint, FamilyLibrary::builtin()); }).find("found:    1, from"),
            std::string::npos);
}

TEST(TensorMap, ABiasThatTheConfigPromises) {
  MadeCheckpoint made(fixture::small_config(R"({"attention_bias": true})"));
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
    made.add("model.layers.0.self_attn." + std::string(name) + ".weight",
             {name[0] == 'q' || name[0] == 'o' ? 8 : 4, 8});
  Resolved resolved = resolve(made.checkpoint, FamilyLibrary::builtin());
  nn::CheckBinder binder(*resolved.weights);
  nn::bind_model(resolved.spec, binder);
  EXPECT_NE(error_of([&] { binder.finish(); }).find("model.layers.0.self_attn.q_proj.bias [8]"),
            std::string::npos);
}

TEST(TensorMap, TiedIsReadOffTheTensorsWhereTheConfigIsSilent) {
  for (const bool head : {true, false}) {
    MadeCheckpoint made(fixture::small_config(R"({"tie_word_embeddings": null})"));
    made.add("model.embed_tokens.weight", {16, 8});
    if (head) made.add("lm_head.weight", {16, 8});
    const Resolved resolved = resolve(made.checkpoint, FamilyLibrary::builtin());
    EXPECT_EQ(resolved.spec.tied, !head);
    ASSERT_EQ(resolved.inferred.size(), 1u);
    EXPECT_EQ(resolved.inferred[0],
              head ? "tied: tensor \"lm_head.weight\" is there" : "tied: no tensor \"*lm_head.weight\"");
  }
}

TEST(TensorMap, AHeadOfAnotherNameIsNoTiedOne) {
  MadeCheckpoint made(fixture::small_config(R"({"model_type": "gpt_neox", "tie_word_embeddings": null,
                                                "num_key_value_heads": null, "rotary_pct": 1.0})"));
  made.add("gpt_neox.embed_in.weight", {16, 8});
  made.add("embed_out.weight", {16, 8});
  EXPECT_FALSE(resolve(made.checkpoint, FamilyLibrary::builtin()).spec.tied);
}

}  // namespace
}  // namespace varve::family
