#include "convert/mixed.h"

#include <gmock/gmock.h>

#include "convert/fixture.h"

namespace varve::convert {
namespace {

std::vector<std::string> modules_of(int layers, const std::string& prefix = "model.") {
  std::vector<std::string> modules{prefix + "embed_tokens", "lm_head"};
  for (int i = 0; i < layers; ++i)
    for (const char* module : {"self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.down_proj"})
      modules.push_back(prefix + "layers." + std::to_string(i) + "." + module);
  return modules;
}

std::vector<int> layers_with_more(int layers, const std::string& module,
                                  const std::string& prefix = "model.") {
  const MixedLayers mixed(modules_of(layers, prefix), "here");
  std::vector<int> out;
  for (int i = 0; i < layers; ++i)
    if (mixed.more_bits(prefix + "layers." + std::to_string(i) + "." + module)) out.push_back(i);
  return out;
}

TEST(Mixed, LayersWithMoreBitsAreThoseOfMlx) {
  // By hand from mlx-lm's rule: below an eighth, from seven eighths on, and every third between.
  EXPECT_EQ(layers_with_more(16, "mlp.down_proj"), (std::vector<int>{0, 1, 4, 7, 10, 13, 14, 15}));
  EXPECT_EQ(layers_with_more(16, "self_attn.v_proj"), (std::vector<int>{0, 1, 4, 7, 10, 13, 14, 15}));
  EXPECT_EQ(layers_with_more(3, "mlp.down_proj"), (std::vector<int>{2}));
  EXPECT_EQ(layers_with_more(1, "mlp.down_proj"), (std::vector<int>{0}));
  EXPECT_EQ(layers_with_more(16, "mlp.down_proj", "language_model.model."),
            (std::vector<int>{0, 1, 4, 7, 10, 13, 14, 15}));
}

TEST(Mixed, OnlySomeModulesHaveMoreAndTheHeadAlways) {
  EXPECT_TRUE(layers_with_more(16, "self_attn.q_proj").empty());
  EXPECT_TRUE(layers_with_more(16, "mlp.gate_proj").empty());
  const MixedLayers mixed(modules_of(16), "here");
  EXPECT_TRUE(mixed.more_bits("lm_head"));
  EXPECT_FALSE(mixed.more_bits("model.embed_tokens"));
}

TEST(Mixed, AModelWithoutWayDownIsRefused) {
  EXPECT_THAT(fixture::error_of([] {
                MixedLayers({"a.fc1", "a.fc2"}, "here");
              }),
              testing::HasSubstr("down_proj"));
}

}  // namespace
}  // namespace varve::convert
