#include "family/show.h"

#include "core/file.h"
#include "core/toml.h"
#include "family/fixture.h"
#include "support/data.h"

namespace varve::family {
namespace {

TEST(Show, EveryValueWithItsOrigin) {
  const FamilyLibrary library = FamilyLibrary::builtin();
  const std::string text = family_text(*library.find("qwen3"));
  EXPECT_NE(text.find("\n[attention]\n"), std::string::npos);
  EXPECT_NE(text.find("qk_norm = \"head\""), std::string::npos);
  EXPECT_NE(text.find("# families/qwen3.toml:"), std::string::npos);
  EXPECT_NE(text.find("# families/_decoder.toml:"), std::string::npos);
  for (const FamilyLine& line : family_lines(*library.find("gemma3_text")))
    EXPECT_FALSE(line.origin.empty()) << line.section << " " << line.key;
}

TEST(Show, TheTextIsAFamilyFileAgain) {
  const FamilyLibrary library = FamilyLibrary::builtin();
  int built = 0;  // the others spell their sizes their own way: they must refuse the config alike
  for (const std::string& name : library.names()) {
    FamilyLibrary again;
    again.add(name, name + ".toml", family_text(*library.find(name)));
    ASSERT_NE(again.find(name), nullptr);
    const Value config = fixture::small_config(R"({"num_experts": 4})");
    auto spec = [&](const FamilyLibrary& from) {
      SpecReport report;
      try {
        return json::dump(Value(spec_table(build_spec(
            *from.find(name), {.config = config, .gguf = false, .arch = {}, .where = "c"}, report))));
      } catch (const LoadError& e) {
        return std::string(e.what());
      }
    };
    const std::string text = spec(library);
    EXPECT_EQ(spec(again), text) << name;
    built += text.starts_with('{');
  }
  EXPECT_GE(built, 10);
}

TEST(Show, TheTableOfFamilies) {
  for (const FamilyRow& row : family_rows(FamilyLibrary::builtin())) {
    EXPECT_FALSE(row.blocks.empty());
    if (row.name != "qwen3_moe") continue;
    EXPECT_THAT(row.blocks,
                testing::ElementsAre("pre_norm", "attention", "gated_mlp", "rms_norm", "sparse_moe"));
  }
}

TEST(Show, ThePageIsCurrent) {
  EXPECT_EQ(read_text(test::source_dir() / "docs/families.md", 1 << 20),
            families_page(FamilyLibrary::builtin()))
      << "write it again: varve families --markdown > docs/families.md";
}

}  // namespace
}  // namespace varve::family
