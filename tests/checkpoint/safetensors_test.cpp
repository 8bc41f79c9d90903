// What valid safetensors files give, alone and as shards; and directories that do not add up.
#include "checkpoint/safetensors.h"

#include "checkpoint/refusal.h"
#include "checkpoint/safetensors_header.h"
#include "support/data.h"
#include "support/safetensors_writer.h"

namespace varve::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::TensorToWrite;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string text_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()};
}

fs::path directory_with(const std::map<std::string, std::string>& files) {
  const fs::path dir = test::scratch_dir();
  for (const auto& [name, bytes] : files) test::write_file(dir / name, bytes);
  return dir;
}

std::string open_refusal(const fs::path& path) {
  return test::refusal_of([&] { Checkpoint::open(path); });
}

std::string one_tensor(const std::string& name, const std::string& bytes = "1234") {
  return test::safetensors({{name, "U8", {static_cast<int64_t>(bytes.size())}, bytes}});
}

TEST(Safetensors, EveryDtypeOfTheFormat) {
  struct Case {
    const char* dtype;
    DType read;
    size_t bytes;  // of eight elements
  };
  const std::vector<Case> cases = {{"BOOL", DType::boolean, 8},
                                   {"U8", DType::u8, 8},
                                   {"I8", DType::i8, 8},
                                   {"U16", DType::u16, 16},
                                   {"I16", DType::i16, 16},
                                   {"U32", DType::u32, 32},
                                   {"I32", DType::i32, 32},
                                   {"U64", DType::u64, 64},
                                   {"I64", DType::i64, 64},
                                   {"F16", DType::f16, 16},
                                   {"BF16", DType::bf16, 16},
                                   {"F32", DType::f32, 32},
                                   {"F64", DType::f64, 64},
                                   {"F8_E4M3", DType::f8_e4m3, 8},
                                   {"F8_E5M2", DType::f8_e5m2, 8},
                                   {"F8_E8M0", DType::f8_e8m0, 8},
                                   {"F8_E4M3FNUZ", DType::f8_e4m3fnuz, 8},
                                   {"F8_E5M2FNUZ", DType::f8_e5m2fnuz, 8},
                                   {"C64", DType::c64, 64},
                                   {"F4", DType::f4, 4},
                                   {"F6_E2M3", DType::f6_e2m3, 6},
                                   {"F6_E3M2", DType::f6_e3m2, 6}};
  std::vector<TensorToWrite> tensors;
  for (const Case& c : cases) tensors.push_back({c.dtype, c.dtype, {2, 4}, std::string(c.bytes, *c.dtype)});
  const fs::path dir =
      directory_with({{"config.json", "{}"}, {"model.safetensors", test::safetensors(tensors)}});
  const Checkpoint checkpoint = Checkpoint::open(dir);
  ASSERT_EQ(checkpoint.tensors.size(), cases.size());
  for (const Case& c : cases) {
    const Tensor* tensor = checkpoint.find(c.dtype);
    ASSERT_NE(tensor, nullptr) << c.dtype;
    EXPECT_EQ(tensor->dtype, c.read) << c.dtype;
    EXPECT_EQ(tensor->block, BlockType::none);
    EXPECT_THAT(tensor->shape, ElementsAre(2, 4));
    EXPECT_EQ(text_of(*tensor), std::string(c.bytes, *c.dtype)) << c.dtype;
  }
}

TEST(Safetensors, HeadersOfAnyLengthLeaveDataAtAnyByte) {
  for (size_t length = 1; length <= 9; ++length) {
    const std::string name(length, 'n');
    const std::string bytes = test::safetensors({{name, "F32", {1}, "abcd"}}, false, {});
    const SafetensorsHeader header = read_safetensors_header(test::as_bytes(bytes), "f");
    ASSERT_EQ(header.tensors.size(), 1u);
    EXPECT_EQ(bytes.substr(header.tensors[0].begin, 4), "abcd");
    EXPECT_EQ(header.tensors[0].end, bytes.size());
  }
}

TEST(Safetensors, ScalarsEmptyTensorsPaddingAndMetadata) {
  const std::string bytes = test::safetensors({{"scalar", "F32", {}, "abcd"},
                                               {"none", "F32", {0, 7}, ""},
                                               {"none too", "U8", {0}, ""},
                                               {"last", "U8", {1}, "z"}},
                                              true, {{"format", "pt"}, {"made by", "ünïcode"}});
  const SafetensorsHeader header = read_safetensors_header(test::as_bytes(bytes), "f");
  ASSERT_EQ(header.tensors.size(), 4u);
  EXPECT_EQ(header.data_begin % 8, 0u);
  EXPECT_TRUE(header.tensors[0].shape.empty());
  EXPECT_EQ(header.tensors[3].name, "last");
  EXPECT_THAT(header.metadata, ElementsAre(std::pair<std::string, std::string>{"format", "pt"},
                                           std::pair<std::string, std::string>{"made by", "ünïcode"}));
  EXPECT_TRUE(read_safetensors_header(test::as_bytes(test::raw_safetensors("{}   ")), "f").tensors.empty());
}

TEST(Safetensors, WhichFilesCount) {
  EXPECT_THAT(weight_files({"model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors",
                            "consolidated.safetensors", "vae.safetensors", "model.safetensors.index.json"}),
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
  EXPECT_THAT(weight_files({"weights.00.safetensors", "consolidated.safetensors", "adapters.safetensors",
                            "adapter_model.safetensors", "0000100_adapters.safetensors", "._x.safetensors"}),
              ElementsAre("weights.00.safetensors"));
  EXPECT_THAT(weight_files({"consolidated.safetensors", "params.json"}),
              ElementsAre("consolidated.safetensors"));
  EXPECT_TRUE(weight_files({"pytorch_model.bin"}).empty());
}

TEST(Safetensors, ShardsWithAndWithoutIndex) {
  std::map<std::string, std::string> files = {{"config.json", "{}"},
                                              {"model-00001-of-00002.safetensors", one_tensor("a", "AAAA")},
                                              {"model-00002-of-00002.safetensors", one_tensor("b", "BB")}};
  const Checkpoint without = Checkpoint::open(directory_with(files));
  files["model.safetensors.index.json"] = test::safetensors_index(
      {{"a", "model-00001-of-00002.safetensors"}, {"b", "model-00002-of-00002.safetensors"}});
  const Checkpoint with = Checkpoint::open(directory_with(files));
  for (const Checkpoint* checkpoint : {&without, &with}) {
    ASSERT_EQ(checkpoint->tensors.size(), 2u);
    EXPECT_EQ(checkpoint->files.size(), 2u);
    EXPECT_EQ(text_of(*checkpoint->find("a")), "AAAA");
    EXPECT_EQ(text_of(*checkpoint->find("b")), "BB");
    EXPECT_EQ(checkpoint->total_bytes(), 6u);
  }
  EXPECT_EQ(digest(without), digest(with));
}

TEST(Safetensors, ShardsThatDoNotAddUp) {
  const std::string shard1 = "model-00001-of-00002.safetensors", shard2 = "model-00002-of-00002.safetensors";
  const std::string index = "model.safetensors.index.json";
  const std::map<std::string, std::string> first = {{"config.json", "{}"}, {shard1, one_tensor("a")}};
  const auto with = [&](std::map<std::string, std::string> more) {
    more.insert(first.begin(), first.end());
    return open_refusal(directory_with(more));
  };
  EXPECT_THAT(with({}), HasSubstr("shard 2 of 2 is missing"));
  EXPECT_THAT(
      with({{index, test::safetensors_index({{"a", shard1}, {"b", shard2}})}}),
      testing::AllOf(HasSubstr(index), HasSubstr("not there: \"" + shard2), HasSubstr("holds \"b\"")));
  EXPECT_THAT(
      with({{shard2, one_tensor("c")}, {index, test::safetensors_index({{"a", shard1}, {"b", shard2}})}}),
      testing::AllOf(HasSubstr(shard2 + ": the shard lacks"), HasSubstr("missing: \"b\"")));
  EXPECT_THAT(
      with({{shard2, one_tensor("b")}, {index, test::safetensors_index({{"a", shard2}, {"b", shard2}})}}),
      testing::AllOf(HasSubstr("\"a\" is not where the index says"), HasSubstr("found:    " + shard1)));
  EXPECT_THAT(with({{shard2, one_tensor("a")}}),
              testing::AllOf(HasSubstr("\"a\" is in two files"), HasSubstr(shard1), HasSubstr(shard2)));
  EXPECT_THAT(with({{shard2, one_tensor("b")}, {index, "{}"}}), HasSubstr("no table \"weight_map\""));
  EXPECT_THAT(with({{shard2, one_tensor("b")}, {index, R"({"weight_map":{"a":1}})"}}),
              HasSubstr("is no text"));
  EXPECT_THAT(with({{shard2, one_tensor("b")}, {index, "{\"weight_map\":"}}), HasSubstr("not valid JSON"));
}

TEST(Safetensors, AnIndexCannotLeadOutOfTheDirectory) {
  for (const std::string path :
       {"../model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", ".", "..\\\\model.safetensors",
        "model.bin", "", ".hidden.safetensors", "a\\u0000.safetensors"}) {
    const fs::path dir =
        directory_with({{"config.json", "{}"},
                        {"model.safetensors", one_tensor("a")},
                        {"model.safetensors.index.json", R"({"weight_map":{"a":")" + path + "\"}}"}});
    EXPECT_THAT(open_refusal(dir), HasSubstr("no shard's name")) << path;
  }
}

TEST(Safetensors, OneFileTakesTheConfigBesideIt) {
  const fs::path dir = directory_with({{"config.json", R"({"model_type":"llama"})"},
                                       {"generation_config.json", R"({"eos_token_id":7})"},
                                       {"other.safetensors", one_tensor("a")}});
  const Checkpoint checkpoint = Checkpoint::open(dir / "other.safetensors");
  EXPECT_EQ(checkpoint.config.find("model_type")->text(), "llama");
  EXPECT_EQ(checkpoint.generation_config.find("eos_token_id")->integer(), 7);
  EXPECT_NE(checkpoint.find("a"), nullptr);
  EXPECT_EQ(checkpoint.path, dir / "other.safetensors");
  fs::remove(dir / "config.json");
  EXPECT_THAT(open_refusal(dir / "other.safetensors"), HasSubstr("no config.json"));
}

TEST(Safetensors, RealCheckpoints) {
  struct Case {
    const char* name;
    size_t tensors;
    DType dtype;
  };
  for (const Case& c :
       {Case{"stories260K", 47, DType::f32}, Case{"stories260K-bf16", 47, DType::bf16},
        Case{"stories260K-sharded-f16", 47, DType::f16}, Case{"bitstories-1M", 90, DType::f32}}) {
    const fs::path dir = test::shared_data("models") / c.name;
    VARVE_NEEDS(dir);
    const Checkpoint checkpoint = Checkpoint::open(dir);
    EXPECT_EQ(checkpoint.tensors.size(), c.tensors) << c.name;
    EXPECT_EQ(checkpoint.find("model.norm.weight")->dtype, c.dtype) << c.name;
    EXPECT_FALSE(checkpoint.quantization.any()) << c.name;
    EXPECT_TRUE(checkpoint.generation_config.is_table()) << c.name;
    EXPECT_EQ(checkpoint.layout, Checkpoint::Layout::safetensors);
  }
}

}  // namespace
}  // namespace varve::checkpoint
