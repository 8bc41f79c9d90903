// Configs of the families whose layers carry a state: true defaults, the keys as the hub has them, and what
// the language has for them (items of lists, the last dimension of a tensor, numbers that JSON has no word
// for).
#include <cmath>

#include "family/fixture.h"

namespace varve::family {
namespace {

using fixture::error_of;
using fixture::spec_of;

nn::ModelSpec spec(const std::string& family, const std::string& config) {
  return spec_of(FamilyLibrary::builtin(), family, json::parse(config).value());
}
int64_t inner(const std::string& config) {
  return spec("lfm2", config).layers[0].ffn.params.find("inner")->integer();
}
double number(const nn::BlockSpec& block, const std::string& name) {
  return block.params.find(name)->number();
}

TEST(RecurrentConfig, ShortConvolutionsWidthOfTheFeedForward) {
  EXPECT_EQ(inner("{}"), 8192);
  EXPECT_EQ(inner(R"({"block_ff_dim": 6656, "intermediate_size": 1})"), 4608);
  EXPECT_EQ(inner(R"({"intermediate_size": 10752, "block_auto_adjust_ff_dim": false})"), 10752);
  EXPECT_EQ(inner(R"({"intermediate_size": 100, "block_ffn_dim_multiplier": null})"), 66);
  EXPECT_EQ(inner(R"({"intermediate_size": 48, "block_ffn_dim_multiplier": 1.1, "block_multiple_of": 8})"),
            40);
}

TEST(RecurrentConfig, WhichLayersAttend) {
  auto mixers = [](const std::string& more) {
    std::string out;
    for (const nn::LayerSpec& layer : spec("lfm2", R"({"num_hidden_layers": 3)" + more + "}").layers)
      out += layer.mixer.block == "attention" ? 'a' : 'c';
    return out;
  };
  EXPECT_EQ(mixers(""), "aaa") << "all, where nothing is said";
  EXPECT_EQ(mixers(R"(, "full_attn_idxs": [1])"), "cac");
  EXPECT_EQ(mixers(R"(, "full_attn_idxs": [])"), "ccc");
  EXPECT_EQ(mixers(R"(, "full_attn_idxs": [1], "layer_types": ["conv", "conv", "full_attention"])"), "cca");
}

TEST(RecurrentConfig, StateSpaceDefaultsAndLimits) {
  const nn::ModelSpec plain = spec("mamba2", "{}");
  EXPECT_EQ(plain.layers.size(), 64u);
  EXPECT_EQ(plain.layers[0].ffn.block, "none");
  EXPECT_TRUE(std::isinf(plain.layers[0].mixer.params.find("dt_limit")->array()[1].number()));
  EXPECT_EQ(number(plain.layers[0].mixer, "groups"), 8);
  const nn::ModelSpec limited = spec("mamba2", R"({"time_step_limit": [0.5, Infinity]})");
  const Array& limits = limited.layers[0].mixer.params.find("dt_limit")->array();
  EXPECT_EQ(limits[0].number(), 0.5);
  EXPECT_TRUE(std::isinf(limits[1].number()));
  EXPECT_NE(error_of([] { spec("mamba2", R"({"expand": 4})"); }).find("expand"), std::string::npos);
}

TEST(RecurrentConfig, ParallelMixersMultipliers) {
  const nn::ModelSpec model = spec("falcon_h1", R"({"mlp_multipliers": [0.5, 0.25], "key_multiplier": 0.5,
    "attention_out_multiplier": 0.75, "ssm_in_multiplier": 3.0, "head_dim": 64, "lm_head_multiplier": 2.0,
    "mamba_d_ssm": null, "mamba_n_heads": 64, "mamba_rms_norm": true})");
  const nn::LayerSpec& layer = model.layers[0];
  EXPECT_EQ(layer.ffn.params.find("scales")->array(), (Array{0.5, 0.25}));
  EXPECT_EQ(number(layer.mixer, "scale"), 0.5 / 8);
  EXPECT_EQ(number(layer.layer, "mixer_out"), 0.75);
  EXPECT_EQ(number(layer.layer, "beside_in"), 3.0);
  EXPECT_EQ(number(layer.beside, "head_dim"), 128) << "mamba_expand * hidden_size / heads";
  EXPECT_EQ(*layer.beside.params.find("norm"), Value("before_gate"));
  EXPECT_EQ(model.logit_scale, 2.0f);
}

}  // namespace
}  // namespace varve::family
