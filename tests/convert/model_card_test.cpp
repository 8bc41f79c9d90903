#include "convert/model_card.h"

#include <gmock/gmock.h>

namespace varve::convert {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

CardFacts facts() {
  return {.source_card = {},
          .licence = {},
          .source = "some-model",
          .version = "1.2",
          .how = "affine 4-bit, group 64",
          .bits_per_weight = 4.5};
}

TEST(ModelCard, SaysWhatMlxCardsSayAndHowItWasMade) {
  EXPECT_EQ(
      model_card(facts()),
      "---\nlibrary_name: mlx\npipeline_tag: text-generation\ntags:\n- mlx\n---\n\n"
      "Made from some-model by `varve convert` 1.2: affine 4-bit, group 64, 4.500 bits per weight, in MLX's "
      "format. What each tensor was made with\nstands in config.json, its digest in varve.json.\n");
}

TEST(ModelCard, KeepsTheSourcesLicenceTagsAndOrigin) {
  CardFacts with = facts();
  with.licence = "mit";
  with.source_card =
      "---\r\nlicense: apache-2.0\r\nlanguage:\r\n- en\r\n- de\r\nlibrary_name: transformers\r\ntags:\r\n- "
      "chat\r\n"
      "- \"mlx\"\r\nbase_model: a/b\r\n---\r\n# Title\r\n";
  const std::string card = model_card(with);
  EXPECT_THAT(card,
              StartsWith("---\nlicense: apache-2.0\nlanguage:\n- en\n- de\nbase_model: a/b\n"
                         "library_name: mlx\npipeline_tag: text-generation\ntags:\n- chat\n- mlx\n---\n"));
  EXPECT_THAT(card, Not(HasSubstr("mit\n")));
  EXPECT_THAT(card, Not(HasSubstr("Title")));
}

TEST(ModelCard, ListsInBracketsAndOtherPipelines) {
  CardFacts with = facts();
  with.source_card = "---\ntags: [chat, 'code']\npipeline_tag: image-text-to-text\n---\n";
  EXPECT_THAT(model_card(with),
              StartsWith("---\npipeline_tag: image-text-to-text\nlibrary_name: mlx\ntags:\n- chat\n"
                         "- code\n- mlx\n---\n"));
}

TEST(ModelCard, ACardThatIsNoFrontMatterIsLeftOut) {
  for (const char* card :
       {"# Title\n---\nlicense: mit\n---\n", "---\nlicense: mit\n", "---\nno yaml here\n---\n"}) {
    CardFacts with = facts();
    with.source_card = card;
    EXPECT_EQ(model_card(with), model_card(facts())) << card;
  }
  CardFacts with = facts();
  with.licence = "Apache-2.0";
  EXPECT_THAT(model_card(with), HasSubstr("\nlicense: apache-2.0\n"));
}

}  // namespace
}  // namespace varve::convert
