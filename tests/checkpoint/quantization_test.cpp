#include "checkpoint/quantization.h"

#include "checkpoint/refusal.h"
#include "core/json.h"

namespace varve::checkpoint {
namespace {

using ::testing::HasSubstr;

Quantization read(std::string_view config) {
  return read_quantization(json::parse(config).value(), "config.json");
}
std::string refusal(std::string_view config) {
  return test::refusal_of([&] { read(config); });
}

constexpr QuantScheme kDefault = {QuantMode::affine, 4, 64};

TEST(Quantization, NoneWhereTheConfigHasNone) {
  for (const char* config : {"{}", R"({"quantization":null})", R"({"quantization_config":null})",
                             R"({"quantization":{}})", R"({"text_config":{}})"}) {
    EXPECT_FALSE(read(config).any()) << config;
    EXPECT_EQ(read(config).scheme("lm_head"), std::nullopt) << config;
  }
}

TEST(Quantization, EveryModeBitsAndGroupOfMlx) {
  for (const int bits : {2, 3, 4, 5, 6, 8})
    for (const int group : {32, 64, 128}) {
      Table table;
      table.set("bits", bits);
      table.set("group_size", group);
      Table config;
      config.set("quantization", std::move(table));
      EXPECT_EQ(read_quantization(config, "").scheme("x"), (QuantScheme{QuantMode::affine, bits, group}));
    }
  EXPECT_EQ(*read(R"({"quantization":{"mode":"mxfp4","bits":4,"group_size":32}})").fallback,
            (QuantScheme{QuantMode::mxfp4, 4, 32}));
  EXPECT_EQ(*read(R"({"quantization":{"mode":"nvfp4","bits":4,"group_size":16}})").fallback,
            (QuantScheme{QuantMode::nvfp4, 4, 16}));
  EXPECT_EQ(*read(R"({"quantization":{"mode":"mxfp8","bits":8,"group_size":32}})").fallback,
            (QuantScheme{QuantMode::mxfp8, 8, 32}));
}

TEST(Quantization, AbsentAndNullTakeTheModesDefault) {
  EXPECT_EQ(*read(R"({"quantization":{"bits":4}})").fallback, kDefault);
  EXPECT_EQ(*read(R"({"quantization":{"group_size":null,"bits":null,"mode":null}})").fallback, kDefault);
  EXPECT_EQ(*read(R"({"quantization":{"mode":"mxfp8","group_size":null}})").fallback,
            (QuantScheme{QuantMode::mxfp8, 8, 32}));
  EXPECT_EQ(*read(R"({"quantization":{"mode":"nvfp4"}})").fallback, (QuantScheme{QuantMode::nvfp4, 4, 16}));
}

TEST(Quantization, Overrides) {
  const Quantization q = read(R"({"quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4",
      "model.layers.0.mlp.gate": {"group_size": 64, "bits": 8},
      "model.layers.1.mlp.gate": {"bits": 8},
      "model.layers.2.mlp.gate": {"group_size": null, "bits": 6, "mode": "affine"},
      "model.layers.3.mlp.gate": false,
      "model.layers.4.mlp.gate": true,
      "model.layers.5.mlp.gate": {"mode": "mxfp8"},
      "model.layers.6.mlp.gate": {}}})");
  const QuantScheme mxfp4 = {QuantMode::mxfp4, 4, 32};
  EXPECT_EQ(q.scheme("lm_head"), mxfp4);
  // An override without a mode is affine whatever the default is, with affine's group size: as in MLX.
  EXPECT_EQ(q.scheme("model.layers.0.mlp.gate"), (QuantScheme{QuantMode::affine, 8, 64}));
  EXPECT_EQ(q.scheme("model.layers.1.mlp.gate"), (QuantScheme{QuantMode::affine, 8, 64}));
  EXPECT_EQ(q.scheme("model.layers.2.mlp.gate"), (QuantScheme{QuantMode::affine, 6, 64}));
  EXPECT_EQ(q.scheme("model.layers.3.mlp.gate"), std::nullopt);
  EXPECT_EQ(q.scheme("model.layers.4.mlp.gate"), mxfp4);
  EXPECT_EQ(q.scheme("model.layers.5.mlp.gate"), (QuantScheme{QuantMode::mxfp8, 8, 32}));
  EXPECT_EQ(q.scheme("model.layers.6.mlp.gate"), kDefault);
}

TEST(Quantization, OverridesOfAWrappedModel) {
  const Quantization q = read(R"({"quantization": {"group_size": 64, "bits": 4,
      "model.embed_tokens": {"bits": 8}, "language_model.lm_head": false}})");
  EXPECT_EQ(q.scheme("language_model.model.embed_tokens")->bits, 8);
  EXPECT_EQ(q.scheme("language_model.lm_head"), std::nullopt);
  EXPECT_EQ(q.scheme("lm_head"), kDefault);
}

TEST(Quantization, WhereItMayStand) {
  // MLX writes both; the first counts.
  EXPECT_EQ(
      read(R"({"quantization":{"bits":8},"quantization_config":{"quant_method":"awq"}})").fallback->bits, 8);
  EXPECT_EQ(read(R"({"quantization_config":{"bits":8,"group_size":64}})").fallback->bits, 8);
  EXPECT_EQ(read(R"({"text_config":{"quantization":{"bits":3}}})").fallback->bits, 3);
}

TEST(Quantization, WhatMlxDoesNotHaveIsRefused) {
  EXPECT_THAT(refusal(R"({"quantization":{"bits":7}})"),
              testing::AllOf(HasSubstr("bits of affine"), HasSubstr("4, 2, 3, 5, 6, 8"), HasSubstr("7")));
  EXPECT_THAT(refusal(R"({"quantization":{"bits":0}})"), HasSubstr("bits of affine"));
  EXPECT_THAT(refusal(R"({"quantization":{"bits":4.5}})"), HasSubstr("bits of affine"));
  EXPECT_THAT(refusal(R"({"quantization":{"bits":4,"group_size":16}})"), HasSubstr("group_size of affine"));
  EXPECT_THAT(refusal(R"({"quantization":{"bits":4,"group_size":-64}})"), HasSubstr("group_size of affine"));
  EXPECT_THAT(refusal(R"({"quantization":{"mode":"mxfp4","group_size":64}})"),
              HasSubstr("group_size of mxfp4"));
  EXPECT_THAT(refusal(R"({"quantization":{"mode":"nvfp4","bits":8}})"), HasSubstr("bits of nvfp4"));
  EXPECT_THAT(refusal(R"({"quantization":{"mode":"int4"}})"), HasSubstr("mode is unknown"));
  EXPECT_THAT(refusal(R"({"quantization":{"bits":4,"lm_head":{"bits":9}}})"),
              testing::AllOf(HasSubstr("\"lm_head\""), HasSubstr("bits of affine")));
  EXPECT_THAT(refusal(R"({"quantization":[4,64]})"), HasSubstr("not a table"));
}

TEST(Quantization, Mxfp4OfHuggingFace) {
  const Quantization q = read(R"({"quantization_config":{"quant_method":"mxfp4",
      "modules_to_not_convert":["model.layers.*.self_attn","lm_head"]}})");
  EXPECT_EQ(q.scheme("model.layers.0.mlp.experts.down_proj"), (QuantScheme{QuantMode::mxfp4, 4, 32}));
  EXPECT_FALSE(q.ternary);
}

TEST(Quantization, BitnetMultipliesOrDivides) {
  const auto config = [](const std::string& more) {
    return R"({"quantization_config":{"quant_method":"bitnet")" + more + "}}";
  };
  const Quantization q = read(config(R"(,"linear_class":"autobitlinear","quantization_mode":"offline")"));
  ASSERT_TRUE(q.ternary && q.any());
  EXPECT_FALSE(q.fallback);
  EXPECT_FALSE(q.ternary->divides || q.ternary->online);
  for (const char* plain :
       {"", R"(,"linear_class":"bitlinear")", R"(,"linear_class":null,"use_rms_norm":false)"})
    EXPECT_TRUE(read(config(plain)).ternary->divides) << plain;
  EXPECT_FALSE(read(R"({"quantization":{"bits":4}})").ternary->divides);  // MLX multiplies
  EXPECT_THAT(refusal(config(R"(,"linear_class":"other")")), HasSubstr("bitlinear or autobitlinear"));
  EXPECT_THAT(refusal(config(R"(,"quantization_mode":1)")), HasSubstr("offline or online"));
  EXPECT_THAT(refusal(config(R"(,"use_rms_norm":true)")), HasSubstr("norm in every linear layer"));
}

TEST(Quantization, BitnetOnlineAndWhatItKeeps) {
  const auto online = [](const std::string& more) {
    return R"({"quantization_config":{"quant_method":"bitnet","linear_class":"autobitlinear",
        "quantization_mode":"online")" +
           more + "}}";
  };
  const Quantization plain = read(online(""));
  EXPECT_TRUE(plain.ternary->online && plain.ternary->keeps("lm_head"));
  EXPECT_FALSE(plain.ternary->keeps("model.layers.0.mlp.up_proj"));
  const Quantization listed = read(online(R"(,"modules_to_not_convert":["model.layers.1","k_proj"])"));
  EXPECT_TRUE(listed.ternary->keeps("model.layers.1.mlp.up_proj"));
  EXPECT_TRUE(listed.ternary->keeps("model.layers.0.self_attn.k_proj"));
  EXPECT_FALSE(listed.ternary->keeps("model.layers.11.mlp.up_proj"));
  EXPECT_FALSE(listed.ternary->keeps("lm_head"));
  EXPECT_THAT(refusal(online(R"(,"modules_to_not_convert":["layers.*"])")), HasSubstr("no plain path"));
  EXPECT_THAT(refusal(R"({"quantization_config":{"quant_method":"bitnet","quantization_mode":"online"}})"),
              HasSubstr("autobitlinear"));
}

TEST(Quantization, Fp8InBlocks) {
  const QuantScheme blocks{QuantMode::fp8, 8, 128, 128};
  EXPECT_EQ(*read(R"({"quantization_config":{"quant_method":"fp8","fmt":"e4m3","activation_scheme":"dynamic",
      "weight_block_size":[128,128],"modules_to_not_convert":["lm_head"],"scale_fmt":"ue8m0"}})")
                 .scheme("model.layers.0.mlp.up_proj"),
            blocks);
  EXPECT_EQ(*read(R"({"text_config":{"quantization_config":{"quant_method":"fp8"}}})").fallback, blocks);
  EXPECT_EQ(*read(R"({"quantization_config":{"quant_method":"fp8","fmt":"float8_e4m3fn"}})").fallback,
            blocks);
  EXPECT_EQ(*read(R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[1,64]}})").fallback,
            (QuantScheme{QuantMode::fp8, 8, 64, 1}));
  EXPECT_EQ(mode_name(QuantMode::fp8), "fp8");
}

TEST(Quantization, OtherFp8IsRefusedByName) {
  const auto with = [](const std::string& more) {
    return refusal(R"({"quantization_config":{"quant_method":"fp8",)" + more + "}}");
  };
  EXPECT_THAT(with(R"("activation_scheme":"static")"),
              testing::AllOf(HasSubstr("activation_scheme"), HasSubstr("dynamic")));
  EXPECT_THAT(with(R"("weight_block_size":null)"),
              testing::AllOf(HasSubstr("weight_block_size"), HasSubstr("whole tensor")));
  EXPECT_THAT(with(R"("weight_block_size":[128,96])"), HasSubstr("[128,96]"));
  EXPECT_THAT(with(R"("weight_block_size":[0,128])"), HasSubstr("[0,128]"));
  EXPECT_THAT(with(R"("fmt":"e5m2")"), HasSubstr("e5m2"));
  EXPECT_THAT(with(R"("expert_dtype":"fp4")"), HasSubstr("fp4"));
}

TEST(Quantization, ForeignSchemesAreRefusedByName) {
  for (const std::string name :
       {"awq", "gptq", "bitsandbytes", "compressed-tensors", "hqq", "modelopt", "torchao", "quark"}) {
    const std::string config =
        R"({"quantization_config":{"quant_method":")" + name + R"(","bits":4,"group_size":128}})";
    EXPECT_THAT(refusal(config), testing::AllOf(HasSubstr("\"" + name + "\""), HasSubstr("MLX version")))
        << name;
  }
  EXPECT_THAT(refusal(R"({"quantization_config":{"load_in_4bit":true}})"), HasSubstr("bitsandbytes"));
  EXPECT_THAT(refusal(R"({"quantization_config":{"quant_algo":"FP8"}})"), HasSubstr("modelopt"));
  EXPECT_THAT(refusal(R"({"quantization_config":{"colour":"red"}})"), HasSubstr("no known kind"));
  EXPECT_THAT(refusal(R"({"text_config":{"quantization_config":{"quant_method":"compressed-tensors"}}})"),
              HasSubstr("compressed-tensors"));
}

}  // namespace
}  // namespace varve::checkpoint
