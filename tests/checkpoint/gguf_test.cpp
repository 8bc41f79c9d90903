// What valid GGUF files give.
#include "checkpoint/gguf.h"

#include "checkpoint/gguf_open.h"
#include "checkpoint/refusal.h"
#include "support/data.h"
#include "support/gguf_writer.h"

namespace varve::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::gguf_array;
using test::gguf_text;
using test::GgufKind;
using test::GgufWriter;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

GgufFile read(const GgufWriter& writer) {
  // A string's buffer is aligned by chance; one byte on, it is not.
  const std::string bytes = "x" + writer.bytes();
  return read_gguf(test::as_bytes(bytes).subspan(1), "x.gguf");
}

TEST(Gguf, EveryKindOfMetadata) {
  const GgufFile file = read(
      GgufWriter()
          .put("u8", GgufKind::u8, bytes_of(uint8_t{200}))
          .put("i8", GgufKind::i8, bytes_of(int8_t{-3}))
          .put("u16", GgufKind::u16, bytes_of(uint16_t{60000}))
          .put("i16", GgufKind::i16, bytes_of(int16_t{-300}))
          .put_u32("u32", 4000000000)
          .put("i32", GgufKind::i32, bytes_of(int32_t{-70000}))
          .put_f32("f32", 1e-5f)
          .put("bool", GgufKind::boolean, bytes_of(uint8_t{1}))
          .put("text", "grüße")
          .put("u64", GgufKind::u64, bytes_of(uint64_t{1} << 40))
          .put("i64", GgufKind::i64, bytes_of(int64_t{-1} << 40))
          .put("f64", GgufKind::f64, bytes_of(0.1))
          .put("array", GgufKind::array, gguf_array(GgufKind::i32, 2, bytes_of(std::vector<int32_t>{1, -2})))
          .put("nested", GgufKind::array,
               gguf_array(GgufKind::array, 2,
                          gguf_array(GgufKind::u8, 1, "\1") + gguf_array(GgufKind::text, 0, "")))
          .put_texts("tags", {"a", ""}));
  const auto at = [&](const char* key) { return *file.metadata.find(key); };
  EXPECT_EQ(at("u8"), Value(200));
  EXPECT_EQ(at("i8"), Value(-3));
  EXPECT_EQ(at("u16"), Value(60000));
  EXPECT_EQ(at("i16"), Value(-300));
  EXPECT_EQ(at("u32"), Value(int64_t{4000000000}));
  EXPECT_EQ(at("i32"), Value(-70000));
  EXPECT_EQ(at("f32"), Value(1e-5)) << "a float32 is the shortest decimal that means it";
  EXPECT_EQ(at("bool"), Value(true));
  EXPECT_EQ(at("text"), Value("grüße"));
  EXPECT_EQ(at("u64"), Value(int64_t{1} << 40));
  EXPECT_EQ(at("i64"), Value(int64_t{-1} << 40));
  EXPECT_EQ(at("f64"), Value(0.1));
  EXPECT_EQ(at("array"), Value(Array{1, -2}));
  EXPECT_EQ(at("nested"), Value(Array{Array{1}, Array{}}));
  EXPECT_EQ(at("tags"), Value(Array{"a", ""}));
  EXPECT_FALSE(file.vocabulary.has_value());
}

TEST(Gguf, TheVocabularyStandsApart) {
  const GgufFile file =
      read(GgufWriter()
               .put("tokenizer.ggml.model", "gpt2")
               .put_texts("tokenizer.ggml.tokens", {"a", "b", ""})
               .put("tokenizer.ggml.scores", GgufKind::array,
                    gguf_array(GgufKind::f32, 3, bytes_of(std::vector<float>{0.f, -1.f, 2.5f})))
               .put("tokenizer.ggml.token_type", GgufKind::array,
                    gguf_array(GgufKind::i32, 3, bytes_of(std::vector<int32_t>{1, 3, 6})))
               .put_texts("tokenizer.ggml.merges", {"a b"})
               .put("tokenizer.ggml.precompiled_charsmap", GgufKind::array,
                    gguf_array(GgufKind::u8, 2, "\xff\x01")));
  EXPECT_THAT(file.metadata.table().keys(), ElementsAre("tokenizer.ggml.model"));
  ASSERT_TRUE(file.vocabulary.has_value());
  EXPECT_THAT(file.vocabulary->tokens, ElementsAre("a", "b", ""));
  EXPECT_THAT(file.vocabulary->scores, ElementsAre(0.f, -1.f, 2.5f));
  EXPECT_THAT(file.vocabulary->types, ElementsAre(1, 3, 6));
  EXPECT_THAT(file.vocabulary->merges, ElementsAre("a b"));
  EXPECT_EQ(file.vocabulary->charsmap, "\xff\x01");
}

TEST(Gguf, TensorsOfEveryTypeThatIsRead) {
  struct Case {
    uint32_t type;
    BlockType block;
    DType dtype;
    size_t bytes;  // of 2 x 256
  };
  const std::vector<Case> cases = {
      {0, BlockType::none, DType::f32, 2048},   {1, BlockType::none, DType::f16, 1024},
      {30, BlockType::none, DType::bf16, 1024}, {28, BlockType::none, DType::f64, 4096},
      {24, BlockType::none, DType::i8, 512},    {25, BlockType::none, DType::i16, 1024},
      {26, BlockType::none, DType::i32, 2048},  {27, BlockType::none, DType::i64, 4096},
      {2, BlockType::q4_0, DType::u8, 288},     {3, BlockType::q4_1, DType::u8, 320},
      {6, BlockType::q5_0, DType::u8, 352},     {7, BlockType::q5_1, DType::u8, 384},
      {8, BlockType::q8_0, DType::u8, 544},     {39, BlockType::mxfp4, DType::u8, 272},
      {10, BlockType::q2_k, DType::u8, 168},    {11, BlockType::q3_k, DType::u8, 220},
      {12, BlockType::q4_k, DType::u8, 288},    {13, BlockType::q5_k, DType::u8, 352},
      {14, BlockType::q6_k, DType::u8, 420}};
  GgufWriter writer;
  for (const Case& c : cases)
    writer.add({std::to_string(c.type), c.type, {2, 256}, std::string(c.bytes, static_cast<char>(c.type))});
  const fs::path file = test::scratch_dir() / "m.gguf";
  test::write_file(file, writer.bytes());
  const Checkpoint checkpoint = Checkpoint::open(file);
  EXPECT_EQ(checkpoint.layout, Checkpoint::Layout::gguf);
  for (const Case& c : cases) {
    const Tensor* tensor = checkpoint.find(std::to_string(c.type));
    ASSERT_NE(tensor, nullptr) << c.type;
    EXPECT_EQ(tensor->block, c.block) << c.type;
    EXPECT_EQ(tensor->dtype, c.dtype) << c.type;
    EXPECT_THAT(tensor->shape, ElementsAre(2, 256)) << "outermost first";
    ASSERT_EQ(tensor->bytes.size(), c.bytes) << c.type;
    EXPECT_EQ(std::to_integer<uint32_t>(tensor->bytes.back()), c.type);
  }
}

TEST(Gguf, VersionTwoAlignmentAndNoTensors) {
  GgufWriter writer;
  writer.version = 2;
  writer.alignment = 128;
  writer.put_u32("general.alignment", 128).add({"a", 0, {1}, "abcd"}).add({"b", 0, {1}, "efgh"});
  const GgufFile file = read(writer);
  EXPECT_EQ(file.version, 2u);
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_EQ(file.tensors[1].begin - file.tensors[0].begin, 128u);
  EXPECT_TRUE(read(GgufWriter().put("general.architecture", "clip")).tensors.empty());
}

/// Part `number` (from 1) of `count` with one tensor.
std::string part(uint16_t number, uint16_t count, const std::string& tensor) {
  GgufWriter writer;
  if (number == 1) writer.put("general.architecture", "llama");
  return writer.put("split.no", GgufKind::u16, bytes_of(static_cast<uint16_t>(number - 1)))
      .put("split.count", GgufKind::u16, bytes_of(count))
      .put("split.tensors.count", GgufKind::i32, bytes_of(int32_t{2}))
      .add({tensor, 0, {1}, "abcd"})
      .bytes();
}

TEST(GgufSplit, OpensFromAnyPartAndFromTheDirectory) {
  const fs::path dir = test::scratch_dir();
  test::write_file(dir / "m-00001-of-00002.gguf", part(1, 2, "a"));
  test::write_file(dir / "m-00002-of-00002.gguf", part(2, 2, "b"));
  for (const fs::path& path : {dir, dir / "m-00001-of-00002.gguf", dir / "m-00002-of-00002.gguf"}) {
    const Checkpoint checkpoint = Checkpoint::open(path);
    EXPECT_EQ(checkpoint.tensors.size(), 2u) << path;
    EXPECT_EQ(checkpoint.files.size(), 2u);
    EXPECT_EQ(checkpoint.config.find("general.architecture")->text(), "llama");
  }
}

TEST(GgufSplit, PartsThatDoNotAddUp) {
  const auto refusal = [](const std::string& second, const std::string& opened) {
    const fs::path dir = test::scratch_dir();
    test::write_file(dir / "m-00001-of-00002.gguf", part(1, 2, "a"));
    test::write_file(dir / "other.gguf", part(1, 2, "a"));
    if (!second.empty()) test::write_file(dir / "m-00002-of-00002.gguf", second);
    return test::refusal_of([&] { Checkpoint::open(dir / opened); });
  };
  const std::string first = "m-00001-of-00002.gguf";
  EXPECT_THAT(refusal("", first), HasSubstr("file 2 of 2 of a split model is missing"));
  EXPECT_THAT(refusal(part(1, 2, "b"), first), HasSubstr("not the part"));
  EXPECT_THAT(refusal(part(2, 3, "b"), first), HasSubstr("not the part"));
  EXPECT_THAT(refusal(part(2, 2, "a"), first), HasSubstr("\"a\" is in two files"));
  EXPECT_THAT(refusal(part(2, 2, "b"), "other.gguf"), HasSubstr("not named as one"));
}

TEST(GgufSplit, HeadsOfADirectory) {
  EXPECT_THAT(
      gguf_heads({"a-00001-of-00003.gguf", "a-00002-of-00003.gguf", "a-00003-of-00003.gguf", "b.gguf"}),
      ElementsAre("a-00001-of-00003.gguf", "b.gguf"));
}

TEST(Gguf, SmolLM2) {
  const fs::path file = test::smollm2_file();
  VARVE_NEEDS(file);
  const Checkpoint checkpoint = Checkpoint::open(file);
  EXPECT_EQ(checkpoint.tensors.size(), 272u);
  EXPECT_EQ(checkpoint.config.find("llama.block_count")->integer(), 30);
  EXPECT_EQ(checkpoint.config.find("llama.attention.layer_norm_rms_epsilon")->number(), 1e-5);
  EXPECT_EQ(checkpoint.vocabulary->tokens.size(), 49152u);
  const Tensor* q = checkpoint.find("blk.0.attn_q.weight");
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(q->block, BlockType::q4_1);
  EXPECT_THAT(q->shape, ElementsAre(576, 576));
  std::map<BlockType, int> types;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    ++types[tensor.block];
    if (tensor.block == BlockType::none) continue;
    EXPECT_EQ(affine_from_blocks(tensor).scale_dtype, DType::f16) << name;
  }
  EXPECT_THAT(types, ElementsAre(std::pair{BlockType::none, 61}, std::pair{BlockType::q4_1, 210},
                                 std::pair{BlockType::q8_0, 1}));
}

}  // namespace
}  // namespace varve::checkpoint
