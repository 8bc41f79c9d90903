#include "convert/recipe.h"

#include "convert/fixture.h"
#include "support/bytes.h"

namespace varve::convert {
namespace {

using checkpoint::QuantMode;
using fixture::error_of;
using testing::HasSubstr;

std::string refusal(const RecipeOptions& options) {
  const auto recipe = make_recipe(options);
  return recipe.ok() ? "" : recipe.error().message;
}

RecipeOptions with_rules(const std::string& text) {
  const auto file = test::scratch_dir() / "rules.toml";
  test::write_file(file, text);
  RecipeOptions options;
  options.rules = file;
  return options;
}

TEST(Recipe, DefaultsAreThoseOfMlx) {
  const Recipe plain = fixture::recipe_of({});
  EXPECT_EQ(plain.base, (checkpoint::QuantScheme{.mode = QuantMode::affine, .bits = 4, .group_size = 64}));
  EXPECT_FALSE(plain.asked);
  const std::tuple<const char*, int, int> modes[] = {
      {"affine", 4, 64}, {"mxfp4", 4, 32}, {"nvfp4", 4, 16}, {"mxfp8", 8, 32}};
  for (const auto& [mode, bits, group] : modes) {
    const Recipe recipe = fixture::recipe_of({.mode = mode});
    EXPECT_EQ(recipe.base.bits, bits) << mode;
    EXPECT_EQ(recipe.base.group_size, group) << mode;
    EXPECT_TRUE(recipe.asked);
  }
}

TEST(Recipe, RefusesWhatDoesNotGoTogether) {
  EXPECT_EQ(refusal({.mode = "mxfp4", .bits = 3}), "mode mxfp4 has 4 bits, not 3");
  EXPECT_EQ(refusal({.mode = "nvfp4", .group_size = 64}), "mode nvfp4 has groups of 16, not 64");
  EXPECT_EQ(refusal({.bits = 7}), "mode affine has 4, 2, 3, 5, 6, 8 bits, not 7");
  EXPECT_EQ(refusal({.group_size = 48}), "mode affine has groups of 64, 32, 128, not 48");
  EXPECT_THAT(refusal({.bits = 4, .dequantize = true}), HasSubstr("--dequantize"));
  EXPECT_THAT(refusal({.dequantize = true, .requantize = true}), HasSubstr("exclude each other"));
  EXPECT_THAT(refusal({.bits = 4, .mixed = "mixed_4_6"}), HasSubstr("leave --bits out"));
  EXPECT_THAT(refusal({.mode = "mxfp8", .mixed = "mixed_4_6"}), HasSubstr("is affine, not mxfp8"));
  EXPECT_THAT(refusal({.mixed = "mixed_5_6"}), HasSubstr("mixed_2_6, mixed_3_4, mixed_3_6, mixed_4_6"));
  EXPECT_THAT(refusal({.embed_bits = 1}), HasSubstr("not 1"));
  EXPECT_THAT(refusal({.dtype = "float64"}), HasSubstr("float64"));
}

TEST(Recipe, EmbeddingAndHeadAreAffineWhateverTheMode) {
  const Recipe recipe = fixture::recipe_of({.mode = "mxfp4", .embed_bits = 8, .head_bits = 6});
  EXPECT_EQ(*recipe.embedding,
            (checkpoint::QuantScheme{.mode = QuantMode::affine, .bits = 8, .group_size = 64}));
  EXPECT_EQ(recipe.head->bits, 6);
  EXPECT_EQ(fixture::recipe_of({.group_size = 32, .embed_bits = 8}).embedding->group_size, 32);
}

TEST(Recipe, RulesAreReadInTheOrderOfTheFile) {
  const Recipe recipe =
      fixture::recipe_of(with_rules("\"*.v_proj\" = { bits = 6 }\n"
                                    "\"lm_head\" = { keep = true }\n"
                                    "\"*\" = { mode = \"mxfp8\" }\n"));
  ASSERT_EQ(recipe.rules.size(), 3u);
  EXPECT_EQ(recipe.rules[0].pattern, "*.v_proj");
  EXPECT_EQ(recipe.rules[0].scheme.bits, 6);
  EXPECT_EQ(recipe.rules[0].scheme.group_size, 64);
  EXPECT_TRUE(recipe.rules[1].keep);
  EXPECT_EQ(recipe.rules[2].scheme.mode, QuantMode::mxfp8);
}

TEST(Recipe, RulesThatCannotBeMeantAreNamedWithTheirLine) {
  const auto told = [](const std::string& text) {
    return error_of([&] { make_recipe(with_rules(text)).ok(); });
  };
  EXPECT_THAT(told("\n\"*\" = { bit = 4 }\n"),
              AllOf(HasSubstr("rules.toml:2"), HasSubstr("Did you mean \"bits\"?")));
  EXPECT_THAT(told("\"*\" = { bits = 7 }\n"), HasSubstr("not 7"));
  EXPECT_THAT(told("\"*\" = { bits = \"4\" }\n"), HasSubstr("a whole number"));
  EXPECT_THAT(told("\"*\" = { keep = true, bits = 4 }\n"), HasSubstr("says nothing else"));
  EXPECT_THAT(told("\"*\" = { keep = false }\n"), HasSubstr("says nothing"));
  EXPECT_THAT(told("\"*\" = {}\n"), HasSubstr("says nothing"));
  EXPECT_THAT(told("\"*\" = 4\n"), HasSubstr("is no table"));
  EXPECT_THAT(told(""), HasSubstr("has no rule"));
  EXPECT_THAT(told("\"*\" = { bits = 4\n"), HasSubstr("rules.toml:"));
}

TEST(Recipe, TwoThatDifferAreDescribedDifferently) {
  const std::vector<RecipeOptions> all = {{},
                                          {.bits = 3},
                                          {.group_size = 32},
                                          {.mode = "mxfp8"},
                                          {.embed_bits = 8},
                                          {.head_bits = 8},
                                          {.mixed = "mixed_4_6"},
                                          {.dtype = "float16"},
                                          {.dequantize = true},
                                          {.requantize = true},
                                          with_rules("\"*\" = { bits = 6 }\n")};
  std::set<std::string> told;
  for (const RecipeOptions& one : all) told.insert(json::dump(describe(fixture::recipe_of(one))));
  EXPECT_EQ(told.size(), all.size());
}

}  // namespace
}  // namespace varve::convert
