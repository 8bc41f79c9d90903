// Where families come from: built in, a user's directory, a file given by hand; and checkpoints that no
// family knows.
#include <cstdlib>
#include <fstream>

#include "family/fixture.h"
#include "family/unknown.h"
#include "nn/loader.h"
#include "nn/model.h"
#include "support/data.h"

namespace varve::family {
namespace {

namespace fs = std::filesystem;
using fixture::error_of;
using fixture::MadeCheckpoint;

constexpr const char* kOther = R"(about = "a family of someone else's"
extends = "llama"
[match]
model_type = ["other"]
[config]
heads = "n_heads"
[tensors]
"transformer.*" = "model.*"
)";

void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

MadeCheckpoint other_checkpoint() {
  MadeCheckpoint made(
      fixture::small_config(R"({"model_type": "other", "n_heads": 4, "num_attention_heads": null})"));
  made.add("transformer.embed_tokens.weight", {16, 8});
  return made;
}

TEST(Library, AFamilyInTheUsersDirectory) {
  const fs::path config = test::scratch_dir();
  fs::create_directories(config / "varve/families");
  write(config / "varve/families/other.toml", kOther);
  write(config / "varve/families/notes.txt", "not a family");
  ::setenv("XDG_CONFIG_HOME", config.c_str(), 1);
  EXPECT_EQ(FamilyLibrary::default_user_dir(), config / "varve/families");
  const FamilyLibrary library = FamilyLibrary::open();
  ::unsetenv("XDG_CONFIG_HOME");
  const MadeCheckpoint made = other_checkpoint();
  const Resolved resolved = resolve(made.checkpoint, library);
  EXPECT_EQ(resolved.family, "other");
  EXPECT_EQ(resolved.file, (config / "varve/families/other.toml").string());
  EXPECT_EQ(resolved.matched_by, "model_type \"other\"");
  EXPECT_EQ(*resolved.spec.layers[0].mixer.params.find("heads"), Value(4));
  EXPECT_TRUE(resolved.weights->find("model.embed_tokens.weight"));
}

/// The first indented block of a page: its example of a whole file.
std::string first_example(const fs::path& page) {
  std::ifstream in(page);
  std::string out, line;
  while (std::getline(in, line)) {
    const bool code = line.starts_with("    ");
    if (!code && !line.empty() && !out.empty()) break;
    if (code || !out.empty()) out += (code ? line.substr(4) : line) + "\n";
  }
  return out;
}

TEST(Library, TheManualsExampleRunsACheckpointThatNoBuiltInFamilyReads) {
  const fs::path dir = test::scratch_dir();
  write(dir / "example.toml", first_example(test::source_dir() / "docs/family-language.md"));
  const FamilyLibrary library = FamilyLibrary::open({.user_dir = dir, .file = {}});
  const auto checkpoint =
      checkpoint::Checkpoint::open(test::source_dir() / "tests/cases/golden/mixtral-top2");
  Resolved resolved = resolve(checkpoint, library);
  EXPECT_EQ(resolved.family, "example");
  nn::CheckBinder binder(*resolved.weights);
  nn::bind_model(resolved.spec, binder);
  EXPECT_EQ(error_of([&] { binder.finish(); }), "");
}

TEST(Library, AUsersFileReplacesABuiltInOne) {
  const fs::path dir = test::scratch_dir();
  write(dir / "mistral.toml", "extends = \"llama\"\nabout = \"mine\"\n[match]\nmodel_type = [\"mistral\"]\n");
  const FamilyLibrary library = FamilyLibrary::open({.user_dir = dir, .file = {}});
  EXPECT_EQ(library.find("mistral")->about, "mine");
  EXPECT_EQ(library.find("llama")->name, "llama");
}

TEST(Library, AFaultElsewhereStopsOnlyThoseWhoUseIt) {
  const fs::path dir = test::scratch_dir();
  write(dir / "broken.toml",
        "extends = \"llama\"\n[match]\nmodel_type = [\"broken\"]\n[atention]\nheads = 1\n");
  const FamilyLibrary library = FamilyLibrary::open({.user_dir = dir, .file = {}});
  const MadeCheckpoint fine(fixture::small_config());
  EXPECT_EQ(resolve(fine.checkpoint, library).family, "llama");
  const MadeCheckpoint broken(fixture::small_config(R"({"model_type": "broken"})"));
  EXPECT_EQ(error_of([&] { resolve(broken.checkpoint, library); }),
            (dir / "broken.toml").string() +
                ":5: unknown section or block \"atention\"\n  Did you mean \"attention\"?");
}

TEST(Library, AFileGivenByHandIsUsedWhateverItMatches) {
  const fs::path dir = test::scratch_dir();
  write(dir / "forced.toml", "extends = \"llama\"\n");
  const FamilyLibrary library = FamilyLibrary::open({.user_dir = {}, .file = dir / "forced.toml"});
  const MadeCheckpoint made(fixture::small_config(R"({"model_type": "unheard_of"})"));
  const Resolved resolved = resolve(made.checkpoint, library);
  EXPECT_EQ(resolved.family, "forced");
  ASSERT_EQ(resolved.warnings.size(), 1u);
  EXPECT_NE(resolved.warnings[0].find("does not name model_type \"unheard_of\""), std::string::npos);
  EXPECT_NE(error_of([&] {
              FamilyLibrary::open({.user_dir = {}, .file = dir / "absent.toml"});
            }).find("absent.toml"),
            std::string::npos);
}

TEST(Library, ByArchitectureWhereThereIsNoModelType) {
  const MadeCheckpoint made(
      fixture::small_config(R"({"model_type": null, "architectures": ["LlamaForCausalLM"]})"));
  EXPECT_EQ(resolve(made.checkpoint, FamilyLibrary::builtin()).matched_by,
            "architecture \"LlamaForCausalLM\"");
  const MadeCheckpoint other(
      fixture::small_config(R"({"model_type": "unheard_of", "architectures": ["LlamaForCausalLM"]})"));
  EXPECT_NE(error_of([&] {
              resolve(other.checkpoint, FamilyLibrary::builtin());
            }).find("no family reads model_type \"unheard_of\""),
            std::string::npos);
}

TEST(Library, AnUnknownModelTypeIsRefusedWithAllThatIsKnown) {
  MadeCheckpoint made(
      fixture::small_config(R"({"model_type": "llamma", "swirl": 3, "attention_bias": false})"));
  made.add("model.embed_tokens.weight", {16, 8});
  made.add("model.layers.0.post_attention_layernorm.weight", {8});  // what a parallel block has not
  made.add("model.swirls.0.weight", {3});
  made.add("model.swirls.1.weight", {3});
  const FamilyLibrary library = FamilyLibrary::builtin();
  const std::string error = error_of([&] { resolve(made.checkpoint, library); });
  EXPECT_NE(error.find("/made/config.json: no family reads model_type \"llamma\"\n  expected: one of "),
            std::string::npos)
      << error;
  for (const std::string& name : library.names()) EXPECT_NE(error.find(name), std::string::npos) << name;
  EXPECT_NE(error.find("nearest family: llama\n  config keys that no family reads: swirl\n"
                       "  tensors that family \"llama\" does not claim: model.swirls.*.weight\n"
                       "  tensors that it would miss: model.layers.*.input_layernorm.weight"),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("--family"), std::string::npos);
}

TEST(Library, NothingNamesTheModel) {
  const MadeCheckpoint made(json::parse("{}").value());
  EXPECT_NE(error_of([&] {
              resolve(made.checkpoint, FamilyLibrary::builtin());
            }).find("the config names no model_type that a family knows"),
            std::string::npos);
}

TEST(Library, EveryBuiltInFamilyIsWhole) {
  const FamilyLibrary library = FamilyLibrary::builtin();
  ASSERT_GE(library.names().size(), 7u);
  for (const std::string& name : library.names()) {
    const Family* family = library.find(name);
    ASSERT_NE(family, nullptr) << name;
    EXPECT_FALSE(family->about.empty()) << name;
    EXPECT_FALSE(family->example.empty()) << name;
    EXPECT_FALSE(family->match.model_types.empty()) << name;
  }
  EXPECT_EQ(library.find("_decoder"), nullptr) << "a part is no family";
}

}  // namespace
}  // namespace varve::family
