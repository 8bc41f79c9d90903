// Which paths open as which layout, what stands there instead, and the digest.
#include "checkpoint/checkpoint.h"

#include "checkpoint/refusal.h"
#include "core/json.h"
#include "support/data.h"
#include "support/gguf_writer.h"
#include "support/safetensors_writer.h"

namespace varve::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const fs::path& path) {
  return test::refusal_of([&] { Checkpoint::open(path); });
}
std::string refusal_with(const std::map<std::string, std::string>& files) {
  const fs::path dir = test::scratch_dir();
  for (const auto& [name, bytes] : files) test::write_file(dir / name, bytes);
  return refusal(dir);
}
std::string weights(const std::string& bytes = "1234") {
  return test::safetensors({{"w", "U8", {static_cast<int64_t>(bytes.size())}, bytes}});
}

TEST(Checkpoint, PathsThatAreNoCheckpoint) {
  const fs::path dir = test::scratch_dir();
  EXPECT_THAT(refusal(dir / "nothing"),
              AllOf(HasSubstr("no such file"), HasSubstr((dir / "nothing").string())));
  EXPECT_THAT(refusal(dir), AllOf(HasSubstr("no model here"), HasSubstr("empty directory")));
  test::write_file(dir / "notes.txt", "hello");
  EXPECT_THAT(refusal(dir / "notes.txt"), HasSubstr("not a checkpoint"));
  EXPECT_THAT(refusal(dir), AllOf(HasSubstr("no model here"), HasSubstr("\"notes.txt\"")));
  test::write_file(dir / "fake.gguf", "hello");
  EXPECT_THAT(refusal(dir / "fake.gguf"), HasSubstr("not a GGUF file"));
}

TEST(Checkpoint, WeightsOfOtherKindsAreNeverOpened) {
  for (const std::string name :
       {"pytorch_model.bin", "model.pt", "model.pth", "weights.npz", "model.ckpt", "model.pkl"})
    EXPECT_THAT(
        refusal_with({{"config.json", "{}"}, {name, "x"}}),
        AllOf(HasSubstr("not in safetensors format"), HasSubstr(name), HasSubstr("convert the weights")));
  EXPECT_THAT(refusal_with({{"adapter_config.json", "{}"}, {"adapters.safetensors", weights()}}),
              HasSubstr("an adapter, not a model"));
  EXPECT_THAT(refusal_with({{"model_index.json", "{}"}}), HasSubstr("pipeline of several models"));
}

TEST(Checkpoint, Configs) {
  EXPECT_THAT(refusal_with({{"model.safetensors", weights()}}),
              AllOf(HasSubstr("no config.json"), HasSubstr("beside its weights")));
  EXPECT_THAT(refusal_with({{"config.json", "[]"}, {"model.safetensors", weights()}}),
              AllOf(HasSubstr("config.json"), HasSubstr("not a JSON object"), HasSubstr("list")));
  EXPECT_THAT(refusal_with({{"config.json", "{\"a\":"}, {"model.safetensors", weights()}}),
              AllOf(HasSubstr("config.json"), HasSubstr("not valid JSON")));
  EXPECT_THAT(refusal_with({{"config.json", "{\"a\":\"\xff\"}"}, {"model.safetensors", weights()}}),
              HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_with({{"config.json", R"({"a":1,"a":2})"}, {"model.safetensors", weights()}}),
              HasSubstr("\"a\" stands twice"));
  EXPECT_THAT(refusal_with(
                  {{"config.json", "{\"a\":" + std::string(100'000, '[')}, {"model.safetensors", weights()}}),
              HasSubstr("deeper than 64"));
  EXPECT_THAT(
      refusal_with({{"config.json", std::string((16 << 20) + 1, ' ')}, {"model.safetensors", weights()}}),
      HasSubstr("larger than such a file may be"));
  EXPECT_THAT(refusal_with(
                  {{"config.json", "{}"}, {"generation_config.json", "7"}, {"model.safetensors", weights()}}),
              AllOf(HasSubstr("generation_config.json"), HasSubstr("not a JSON object")));
  EXPECT_THAT(
      refusal_with({{"config.json", R"({"model_file":"model.py"})"}, {"model.safetensors", weights()}}),
      AllOf(HasSubstr("Python code"), HasSubstr("model.py"), HasSubstr("never runs code")));
  EXPECT_THAT(refusal_with({{"config.json", R"({"quantization_config":{"quant_method":"gptq"}})"},
                            {"model.safetensors", weights()}}),
              AllOf(HasSubstr("config.json"), HasSubstr("gptq")));
}

TEST(Checkpoint, CodeThatIsOnlyNamedDoesNotMatter) {
  const fs::path dir = test::scratch_dir();
  test::write_file(dir / "config.json",
                   R"({"auto_map":{"AutoModel":"modeling.Model"},"quantization":{"bits":4}})");
  test::write_file(dir / "modeling.py", "raise SystemExit");
  test::write_file(dir / "model.safetensors", weights());
  const Checkpoint checkpoint = Checkpoint::open(dir);
  EXPECT_EQ(checkpoint.quantization.fallback->bits, 4);
  EXPECT_TRUE(checkpoint.generation_config.is_null());
}

TEST(Checkpoint, ADirectoryOfGguf) {
  const fs::path dir = test::scratch_dir();
  const std::string gguf = test::GgufWriter().add({"w", 0, {1}, "abcd"}).bytes();
  test::write_file(dir / "model-q8.gguf", gguf);
  EXPECT_EQ(Checkpoint::open(dir).path, dir / "model-q8.gguf");
  test::write_file(dir / "model-q4.gguf", gguf);
  EXPECT_THAT(refusal(dir),
              AllOf(HasSubstr("several GGUF"), HasSubstr("model-q4.gguf"), HasSubstr("Name the file")));
  fs::rename(dir / "model-q4.gguf", dir / "blob");  // as download caches name them
  EXPECT_EQ(Checkpoint::open(dir / "blob").layout, Checkpoint::Layout::gguf);
}

TEST(Checkpoint, EveryGoldenCheckpointOpensOrIsRefusedByTheNameOfItsScheme) {
  const fs::path goldens = test::source_dir() / "tests" / "cases" / "golden";
  int opened = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(goldens)) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const fs::path config = entry.path() / "config.json";
    const Value document = fs::exists(config) ? json::read_file(config) : Value();
    const Value* scheme = document.find_path("quantization_config.quant_method");
    if (scheme && scheme->text() != "bitnet" && scheme->text() != "mxfp4" && scheme->text() != "fp8") {
      EXPECT_THAT(refusal(entry.path()), HasSubstr("quantised with \"" + scheme->text()));
      continue;
    }
    const Checkpoint checkpoint = Checkpoint::open(entry.path());
    EXPECT_FALSE(checkpoint.tensors.empty());
    EXPECT_FALSE(checkpoint.config.table().empty());
    checkpoint.check_unchanged();
    ++opened;
  }
  EXPECT_GT(opened, 50);
}

TEST(Digest, FollowsContentAlone) {
  std::string large(1 << 20, 'a');
  const auto digest_of = [](const std::string& bytes, const std::string& config, const std::string& name) {
    const fs::path dir = test::scratch_dir();
    test::write_file(dir / "config.json", config);
    test::write_file(dir / name, weights(bytes));
    return digest(Checkpoint::open(dir));
  };
  const std::string base = digest_of(large, "{}", "model.safetensors");
  EXPECT_EQ(base.size(), 64u);
  EXPECT_EQ(base, digest_of(large, "{}", "weights.safetensors"));
  EXPECT_NE(base, digest_of(large, R"({"a":1})", "model.safetensors"));
  EXPECT_NE(base, digest_of(large + "a", "{}", "model.safetensors"));
  for (const size_t place : {size_t{0}, large.size() - 1}) {
    std::string changed = large;
    changed[place] = 'b';
    EXPECT_NE(base, digest_of(changed, "{}", "model.safetensors")) << place;
  }
  EXPECT_NE(digest_of("1234", "{}", "model.safetensors"), digest_of("1294", "{}", "model.safetensors"));
}

}  // namespace
}  // namespace varve::checkpoint
