#include "convert/verify.h"

#include <fstream>

#include "convert/fixture.h"
#include "convert/manifest.h"
#include "support/bytes.h"

namespace varve::convert {
namespace {

namespace fs = std::filesystem;
using fixture::golden;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Verify : public testing::Test {
 protected:
  void SetUp() override {
    Options options;
    options.shard_bytes = 30'000;
    options.files.push_back({.name = "tokenizer.json", .text = "{}", .copy_of = {}});
    fixture::convert_to(dir_, fixture::Source(golden("llama-biases")), {.group_size = 32}, options);
  }
  static VerifyReport check(const fs::path& path) {
    return verify(path, family::FamilyLibrary::builtin(), {});
  }
  fs::path shard() const {
    for (const auto& entry : fs::directory_iterator(dir_))
      if (entry.path().filename().string().starts_with("model-00002")) return entry.path();
    ADD_FAILURE();
    return {};
  }
  void edit(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = read_text(dir_ / file, size_t{1} << 30);
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    test::write_file(dir_ / file, text.replace(at, from.size(), to));
  }
  const fs::path dir_ = test::scratch_dir() / "out";
};

TEST_F(Verify, FindsNothingInAWholeCheckpoint) {
  const VerifyReport report = check(dir_);
  EXPECT_THAT(report.wrong, IsEmpty());
  EXPECT_THAT(report.unchecked, IsEmpty());
  const Manifest manifest = *Manifest::read(dir_);
  EXPECT_EQ(report.digests, manifest.tensors.size() + manifest.files.size());
  EXPECT_EQ(report.tensors, manifest.tensors.size());
}

TEST_F(Verify, FindsOneByteThatIsAnother) {
  std::fstream file(shard(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-1, std::ios::end);
  const char last = static_cast<char>(file.get());
  file.seekp(-1, std::ios::end);
  file.put(static_cast<char>(last ^ 1));
  file.close();
  EXPECT_THAT(check(dir_).wrong, ElementsAre(AllOf(HasSubstr(shard().filename().string()),
                                                   HasSubstr("is not as it was written"))));
}

TEST_F(Verify, FindsFilesThatAreCutMissingOrChanged) {
  fs::resize_file(shard(), fs::file_size(shard()) - 1);
  fs::remove(dir_ / "tokenizer.json");
  edit("config.json", "\"bits\": 4", "\"bits\": 8");
  const VerifyReport report = check(dir_);
  EXPECT_THAT(report.wrong, Contains(HasSubstr("tokenizer.json: the file is missing")));
  EXPECT_THAT(report.wrong, Contains(HasSubstr("config.json: the file is not as it was written")));
  EXPECT_THAT(report.wrong, Contains(HasSubstr(shard().filename().string())));
  EXPECT_THAT(report.unchecked, Contains(HasSubstr("shapes against the config")));
  for (const std::string& line : report.wrong) EXPECT_EQ(line.find('\n'), line.npos);
}

TEST_F(Verify, HoldsTheIndexAgainstTheShards) {
  edit("model.safetensors.index.json", "\"lm_head.scales\"", "\"lm_head.scalps\"");
  const VerifyReport report = check(dir_);
  EXPECT_THAT(report.wrong, Contains(HasSubstr("tensor lm_head.scalps is in no shard")));
  EXPECT_THAT(report.wrong, Contains(AllOf(HasSubstr("tensor lm_head.scales"), HasSubstr("is not in it"))));
}

TEST_F(Verify, SaysOnceThatAShardCannotBeRead) {
  fs::resize_file(shard(), fs::file_size(shard()) - 1);
  EXPECT_THAT(check(dir_).wrong, ElementsAre(HasSubstr(shard().filename().string())));
}

TEST_F(Verify, NamesFilesThatTheManifestDoesNot) {
  test::write_file(dir_ / "chat_template.jinja", "another");
  const VerifyReport report = check(dir_);
  EXPECT_THAT(report.wrong, IsEmpty());
  EXPECT_THAT(report.unchecked, ElementsAre(HasSubstr("chat_template.jinja")));
}

TEST_F(Verify, FindsAShardThatIsMissing) {
  const std::string name = shard().filename().string();
  fs::remove(shard());
  const VerifyReport report = check(dir_);
  EXPECT_THAT(report.wrong, Contains(AllOf(HasSubstr(name), HasSubstr("is missing"))));
}

TEST_F(Verify, WithoutManifestSaysWhatCouldNotBeChecked) {
  fs::remove(dir_ / kManifestName);
  VerifyReport report = check(dir_);
  EXPECT_THAT(report.wrong, IsEmpty());
  EXPECT_THAT(report.unchecked, ElementsAre(HasSubstr("digests")));
  EXPECT_EQ(report.digests, 0u);
  edit("config.json", "\"vocab_size\": 160", "\"vocab_size\": 161");
  report = check(dir_);
  EXPECT_THAT(report.wrong, ElementsAre(HasSubstr("model.embed_tokens.weight")));
}

TEST_F(Verify, ReadsAnyCheckpoint) {
  for (const char* name : {"llama-f32", "mlx-affine-bf16"}) {
    const VerifyReport report = check(golden(name));
    EXPECT_THAT(report.wrong, IsEmpty()) << name;
    EXPECT_THAT(report.unchecked, Contains(HasSubstr("varve.json"))) << name;
  }
  const VerifyReport gguf = check(golden("gguf-llama-q4") / "model.gguf");
  EXPECT_THAT(gguf.wrong, IsEmpty());
  EXPECT_GT(gguf.tensors, 0u);
  EXPECT_THAT(fixture::error_of([&] { check(dir_ / "nowhere"); }), HasSubstr("no such file"));
}

TEST_F(Verify, AHostileManifestIsAFinding) {
  edit(kManifestName, "\"config.json\"", "\"../../secret\"");
  EXPECT_THAT(check(dir_).wrong, Contains(HasSubstr("outside of the directory")));
  test::write_file(dir_ / kManifestName, "{\"manifest\": 1}");
  EXPECT_THAT(check(dir_).wrong, Contains(HasSubstr("the manifest lacks")));
  test::write_file(dir_ / kManifestName, "{");
  EXPECT_THAT(check(dir_).wrong, Contains(HasSubstr("not valid JSON")));
}

TEST_F(Verify, StopsWhenTold) {
  const VerifyReport report =
      verify(dir_, family::FamilyLibrary::builtin(), {.progress = [](uint64_t, uint64_t) { return false; }});
  EXPECT_THAT(report.unchecked, Contains(HasSubstr("stopped")));
}

}  // namespace
}  // namespace varve::convert
