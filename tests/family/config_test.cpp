// What configs say and how it is read: defaults, both spellings, real files, and what is refused.
#include "family/config_check.h"
#include "family/fixture.h"
#include "family/show.h"
#include "support/data.h"

namespace varve::family {
namespace {

namespace fs = std::filesystem;
using fixture::error_of;
using fixture::small_config;

nn::ModelSpec spec(const std::string& family, const std::string& more = "{}") {
  return fixture::spec_of(FamilyLibrary::builtin(), family, small_config(more));
}

const Value* mixer(const nn::ModelSpec& of, const std::string& name, size_t layer = 0) {
  return of.layers[layer].mixer.params.find(name);
}
Value rope(const nn::ModelSpec& of, const std::string& name, size_t layer = 0) {
  const Value* found = mixer(of, "rope", layer)->find(name);
  return found ? *found : Value();
}

TEST(Config, DefaultsDifferByFamily) {
  EXPECT_EQ(*spec("llama").layers[0].norm.params.find("eps"), Value(1e-6));
  EXPECT_EQ(*spec("phi3").layers[0].norm.params.find("eps"), Value(1e-5));
  EXPECT_EQ(*mixer(spec("qwen3"), "head_dim"), Value(128));
  EXPECT_EQ(*mixer(spec("qwen3_moe", R"({"num_experts": 4})"), "head_dim"), Value(4));
  EXPECT_EQ(rope(spec("gemma3_text"), "theta"), Value(10000.0)) << "the first layer is a sliding one";
  EXPECT_EQ(rope(spec("gemma3_text", R"({"num_hidden_layers": 6})"), "theta", 5), Value(1e6));
  EXPECT_EQ(rope(spec("llama"), "theta"), Value(10000.0));
}

TEST(Config, NullAndAbsentAreNotTheSame) {
  EXPECT_EQ(*mixer(spec("mistral"), "window"), Value(4096));
  EXPECT_EQ(mixer(spec("mistral", R"({"sliding_window": null})"), "window"), nullptr);
  EXPECT_EQ(*mixer(spec("mistral", R"({"num_key_value_heads": null})"), "kv_heads"), Value(2));
}

TEST(Config, AWindowCountsOnlyWhereItIsSwitchedOn) {
  const char* kOff =
      R"({"sliding_window": 6, "use_sliding_window": false, "max_window_layers": 1, "num_hidden_layers": 2})";
  const char* kOn =
      R"({"sliding_window": 6, "use_sliding_window": true, "max_window_layers": 1, "num_hidden_layers": 2})";
  for (const char* family : {"qwen2", "qwen3"}) {
    EXPECT_EQ(mixer(spec(family, kOff), "window", 1), nullptr);
    EXPECT_EQ(mixer(spec(family, kOn), "window", 0), nullptr);
    EXPECT_EQ(*mixer(spec(family, kOn), "window", 1), Value(6));
  }
}

TEST(Config, LayersThatAWindowReaches) {
  auto windows = [](const std::string& family, const std::string& more) {
    std::vector<int64_t> found;
    const nn::ModelSpec of = spec(family, more);
    for (size_t i = 0; i < of.layers.size(); ++i) {
      const Value* window = mixer(of, "window", i);
      found.push_back(window ? window->integer() : 0);
    }
    return found;
  };
  using Reaches = std::vector<int64_t>;
  EXPECT_EQ(windows("qwen2_moe", R"({"sliding_window": 6, "use_sliding_window": true, "max_window_layers": 4,
                                     "num_hidden_layers": 6})"),
            (Reaches{6, 0, 6, 0, 0, 0}));
  EXPECT_EQ(
      windows("smollm3", R"({"sliding_window": 6, "use_sliding_window": true, "num_hidden_layers": 5})"),
      (Reaches{0, 0, 0, 6, 0}));
  EXPECT_EQ(windows("smollm3", R"({"sliding_window": 6, "use_sliding_window": true, "num_hidden_layers": 3,
                                   "no_rope_layers": [0, 1, 0]})"),
            (Reaches{6, 0, 6}));
  EXPECT_EQ(windows("smollm3", R"({"sliding_window": 6, "use_sliding_window": false, "num_hidden_layers": 2,
                                   "no_rope_layers": [0, 1]})"),
            (Reaches{0, 0}));
  EXPECT_EQ(
      windows("exaone4", R"({"sliding_window": 6, "num_hidden_layers": 2, "sliding_window_pattern": "LGG",
                                   "layer_types": ["full_attention", "sliding_attention"]})"),
      (Reaches{0, 6}))
      << "the pattern does not matter where every layer is named";
}

TEST(Config, ReachAndRotaryAreSaidApart) {
  const nn::ModelSpec of = spec("llama4_text", R"({"num_hidden_layers": 2, "no_rope_layers": [1, 0],
    "intermediate_size_mlp": 12, "layer_types": ["full_attention", "chunked_attention"]})");
  EXPECT_EQ(mixer(of, "chunk", 0), nullptr);
  EXPECT_EQ(rope(of, "kind", 0), Value("default"));
  EXPECT_EQ(*mixer(of, "chunk", 1), Value(8192));
  EXPECT_EQ(rope(of, "kind", 1), Value("none"));
}

TEST(Config, KvHeadsWhereTheConfigIsSilent) {
  const std::pair<const char*, int> kDefaults[] = {
      {"qwen2", 32}, {"qwen2_moe", 16}, {"qwen3", 32}, {"qwen3_moe", 4}, {"stablelm", 32}, {"starcoder2", 2},
      {"gemma", 16}, {"gemma2", 4},     {"glm4", 2},   {"glm4_moe", 8},  {"exaone4", 32},  {"ernie4_5", 2},
  };
  for (const auto& [family, heads] : kDefaults) {
    Value config = small_config(R"({"num_attention_heads": 32, "hidden_size": 64, "num_experts": 4})");
    config.table().erase("num_key_value_heads");
    SpecReport report;
    const FamilyLibrary library = FamilyLibrary::builtin();
    const nn::ModelSpec of = build_spec(*library.find(family),
                                        {.config = config, .gguf = false, .arch = {}, .where = "c"}, report);
    EXPECT_EQ(*mixer(of, "kv_heads"), Value(heads)) << family;
  }
  EXPECT_EQ(*mixer(spec("ernie4_5", R"({"num_key_value_heads": null})"), "kv_heads"), Value(2));
}

TEST(Config, ContextsThatRotaryStretches) {
  EXPECT_EQ(spec("llama", R"({"rope_scaling": {"type": "dynamic", "factor": 4.0}})").max_positions, 256);
  EXPECT_EQ(spec("qwen2", R"({"rope_scaling": {"type": "yarn", "factor": 4.0,
                              "original_max_position_embeddings": 64}})")
                .max_positions,
            256);
  EXPECT_EQ(spec("llama", R"({"rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                              "original_max_position_embeddings": 8}})")
                .max_positions,
            64)
      << "the stretched context, said already";
  EXPECT_EQ(spec("llama", R"({"rope_scaling": {"type": "linear", "factor": 4.0}})").max_positions, 64);
}

TEST(Config, BiasesAsTheConfigSays) {
  EXPECT_EQ(*mixer(spec("llama"), "bias"), Value("optional"));
  EXPECT_EQ(*mixer(spec("llama", R"({"attention_bias": true})"), "bias"), Value("required"));
  EXPECT_EQ(*mixer(spec("llama", R"({"attention_bias": false})"), "output_bias"), Value("absent"));
  EXPECT_EQ(*mixer(spec("glm4"), "bias"), Value("required"));
}

/// The mixers and feed-forwards of all layers: "gated_delta/sparse_moe attention/gated_mlp".
std::string blocks_of(const nn::ModelSpec& of) {
  std::string out;
  for (const nn::LayerSpec& layer : of.layers)
    out += (out.empty() ? "" : " ") + layer.mixer.block + "/" + layer.ffn.block;
  return out;
}

TEST(Config, WhichLayersAreRecurrentAndWhichSparse) {
  EXPECT_EQ(blocks_of(spec("qwen3_next", R"({"num_hidden_layers": 4, "decoder_sparse_step": 2})")),
            "gated_delta/gated_mlp gated_delta/sparse_moe gated_delta/gated_mlp attention/sparse_moe");
  EXPECT_EQ(blocks_of(spec("qwen3_next", R"({"num_hidden_layers": 2, "full_attention_interval": 1,
      "layer_types": ["full_attention", "linear_attention"], "mlp_only_layers": [1]})")),
            "attention/sparse_moe gated_delta/gated_mlp")
      << "layer_types is the stronger word";
  EXPECT_EQ(blocks_of(spec("qwen3_next", R"({"num_experts": 0})")), "gated_delta/gated_mlp");
  EXPECT_EQ(blocks_of(spec("qwen3_5_text")), "gated_delta/gated_mlp");
  EXPECT_EQ(blocks_of(spec("qwen3_5_moe_text")), "gated_delta/sparse_moe");
  EXPECT_EQ(blocks_of(spec("recurrent_gemma", R"({"num_hidden_layers": 4})")),
            "rg_lru/gated_mlp rg_lru/gated_mlp attention/gated_mlp rg_lru/gated_mlp");
  EXPECT_EQ(blocks_of(spec("recurrent_gemma",
                           R"({"num_hidden_layers": 3, "block_types": ["attention", "recurrent"]})")),
            "attention/gated_mlp rg_lru/gated_mlp attention/gated_mlp");
}

TEST(Config, DefaultsOfTheRecurrentFamilies) {
  const nn::ModelSpec delta = spec("qwen3_next");
  EXPECT_EQ(*mixer(delta, "key_heads"), Value(16));
  EXPECT_EQ(*mixer(delta, "value_heads"), Value(32));
  EXPECT_EQ(*mixer(delta, "key_dim"), Value(128));
  EXPECT_EQ(rope(spec("qwen3_next", R"({"full_attention_interval": 1})"), "dims"), Value(64));
  const nn::ModelSpec lru = spec("recurrent_gemma", R"({"num_hidden_layers": 3})");
  EXPECT_EQ(*mixer(lru, "width"), Value(8)) << "that of the model";
  EXPECT_EQ(*mixer(lru, "window", 2), Value(2048));
  EXPECT_EQ(rope(lru, "dims", 2), Value(2));
  EXPECT_EQ(*lru.layers[0].ffn.params.find("inner"), Value(6)) << "the config counts gate and up";
  EXPECT_EQ(lru.logit_softcap, 30.0f);
  EXPECT_EQ(lru.embed_scale, 2.828125f) << "sqrt(8) in bfloat16";
}

/// The two spellings of one thing, for a family.
struct Pair {
  const char* name;
  const char* family;
  const char* hub;
  const char* five;
};
class Spellings : public testing::TestWithParam<Pair> {};

TEST_P(Spellings, GiveOneModel) {
  const Pair& pair = GetParam();
  EXPECT_EQ(json::dump(Value(spec_table(spec(pair.family, pair.hub))), 1),
            json::dump(Value(spec_table(spec(pair.family, pair.five))), 1));
}

const Pair kPairs[] = {
    {"llama_plain", "llama", R"({"rope_theta": 500000.0, "torch_dtype": "bfloat16", "rope_scaling": null})",
     R"({"rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}, "dtype": "bfloat16"})"},
    {"llama_linear_old_word", "llama", R"({"rope_scaling": {"type": "linear", "factor": 2.0}})",
     R"({"rope_parameters": {"rope_theta": 10000.0, "rope_type": "linear", "factor": 2.0}})"},
    {"mistral_window", "mistral", R"({"sliding_window": 6, "rope_theta": 1000000.0})",
     R"({"sliding_window": 6, "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"}, "head_dim": 4})"},
    {"qwen2_layers", "qwen2",
     R"({"num_hidden_layers": 3, "use_sliding_window": true, "sliding_window": 6, "max_window_layers": 1})",
     R"({"num_hidden_layers": 3, "use_sliding_window": true, "sliding_window": 6, "max_window_layers": 1,
         "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
         "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}})"},
    {"qwen3_yarn", "qwen3",
     R"({"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}, "rope_theta": 1e6})",
     R"({"layer_types": ["full_attention"], "rope_parameters": {"rope_type": "yarn", "factor": 4.0,
         "original_max_position_embeddings": 32, "rope_theta": 1e6}})"},
    {"qwen3_moe_experts", "qwen3_moe",
     R"({"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 4})",
     R"({"num_local_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 4})"},
    {"phi3_su", "phi3",
     R"({"rope_scaling": {"type": "su", "short_factor": [1, 2], "long_factor": [3, 4]},
         "original_max_position_embeddings": 16, "partial_rotary_factor": 1.0})",
     R"({"rope_parameters": {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1, 2],
         "long_factor": [3, 4], "original_max_position_embeddings": 16, "partial_rotary_factor": 1.0},
         "original_max_position_embeddings": 16})"},
    {"gemma3_text_two_bases", "gemma3_text",
     R"({"num_hidden_layers": 4, "sliding_window_pattern": 2, "rope_local_base_freq": 100.0, "rope_theta": 5000.0,
         "rope_scaling": {"rope_type": "linear", "factor": 8.0}})",
     R"({"num_hidden_layers": 4,
         "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
         "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
           "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5000.0}}})"},
};
std::string pair_name(const testing::TestParamInfo<Pair>& one) { return one.param.name; }
INSTANTIATE_TEST_SUITE_P(All, Spellings, testing::ValuesIn(kPairs), pair_name);

TEST(Config, UnreadKeysAreListedTogether) {
  const std::string error = error_of([] {
    spec(
        "llama",
        R"({"logit_scale": 0.5, "nothing": null, "rope_scaling": {"type": "linear", "factor": 2.0, "bend": 1},
                      "attention_dropout": 0.1, "unsloth_fixed": true})");
  });
  EXPECT_EQ(
      error,
      "config.json: the config has keys that family \"llama\" does not read and that may change the result\n"
      "  found:    logit_scale = 0.5, rope_scaling.bend = 1\n"
      "  If they are harmless, name them under [ignore] in a family file that extends \"llama\" and give it "
      "with "
      "--family.");
}

/// Keys that real configs carry and that nothing computes with.
TEST(Config, LeftoversOfRealConfigs) {
  const std::pair<const char*, const char*> kLeftovers[] = {
      {"qwen2", R"({"dual_chunk_attention_config": {"chunk_size": 262144, "local_size": 8192}})"},
      {"gemma2", R"({"sliding_window_size": 4096, "hidden_act": "gelu_pytorch_tanh"})"},
      {"starcoder2", R"({"activation_function": "gelu", "attention_softmax_in_fp32": true,
          "layer_norm_epsilon": 1e-05, "scale_attention_softmax_in_fp32": true, "scale_attn_weights": true})"},
      {"falcon", R"({"ff_factor": 4, "intermediate_size": null, "num_key_value_heads": null})"},
      {"cohere2", R"({"layer_switch": 4})"},
      {"ernie4_5", R"({"use_rmsnorm": true, "fuse_rope": false, "compression_ratio": 1.0})"},
      {"minimax_m2", R"({"layernorm_full_attention_beta": 1.0, "layernorm_mlp_beta": 1.0,
          "mlp_intermediate_size": 8192, "shared_moe_mode": "sigmoid"})"},
      {"hunyuan_v1_dense",
       R"({"mlp_bias": false, "norm_type": "rms", "dense_list": [4096, 0], "im_start_id": 4,
          "cla_share_factor": 2, "add_classification_head": false, "class_num": 0, "pool_type": "last"})"},
  };
  for (const auto& [family, more] : kLeftovers)
    EXPECT_EQ(error_of([&, family = family, more = more] { spec(family, more); }), "") << family;
}

TEST(Config, AnUnreadKeyThatOnlyLacksAUse) {
  const auto library = fixture::library_with("extends = \"llama\"\n[gated_mlp]\nactivation = \"silu\"\n");
  const std::string error =
      error_of([&] { fixture::spec_of(library, "mine", small_config(R"({"hidden_act": "gelu"})")); });
  EXPECT_NE(error.find("found:    hidden_act = \"gelu\" (no block uses $activation)"), std::string::npos)
      << error;
}

TEST(Config, LayerTypesOfAFamilyWithoutThem) {
  EXPECT_NE(error_of([] { spec("llama", R"({"layer_types": ["full_attention"]})"); }).find("layer_types ="),
            std::string::npos);
  EXPECT_NE(error_of([] {
              spec("llama", R"({"rope_parameters": {"full_attention": {"rope_theta": 5.0}}})");
            }).find("rope_parameters.full_attention"),
            std::string::npos);
}

TEST(Config, ExpectedKeysAreHarmlessOnlyAsExpected) {
  EXPECT_EQ(error_of([] { spec("gemma3_text", R"({"use_bidirectional_attention": false})"); }), "");
  EXPECT_EQ(error_of([] { spec("gemma3_text", R"({"use_bidirectional_attention": true})"); }),
            "config.json: family \"gemma3_text\" cannot do what \"use_bidirectional_attention\" asks for\n"
            "  expected: false\n  found:    true");
}

TEST(Config, ValuesThatCannotBe) {
  EXPECT_EQ(error_of([] { spec("llama", R"({"num_hidden_layers": null})"); }),
            "config.json: the config does not say \"layers\", which family \"llama\" needs\n"
            "  expected: the key \"num_hidden_layers\"");
  EXPECT_EQ(error_of([] { spec("llama", R"({"hidden_size": "wide"})"); }).substr(0, 100),
            std::string("config.json: \"hidden\" cannot be what the config says\n"
                        "  expected: a whole number from 1 to 999999999999\n  found:  ")
                .substr(0, 100));
  EXPECT_NE(error_of([] {
              spec("llama", R"({"hidden_act": "mish"})");
            }).find("found:    \"mish\" (text), from config \"hidden_act\""),
            std::string::npos);
  EXPECT_NE(
      error_of([] { spec("llama", R"({"num_key_value_heads": -1})"); }).find("a whole number, not below 0"),
      std::string::npos);
  EXPECT_NE(error_of([] { spec("llama", R"({"num_attention_heads": 0})"); }).find("divides by zero"),
            std::string::npos);
  EXPECT_NE(error_of([] {
              spec("llama", R"({"num_attention_heads": 3})");
            }).find("\"attention.head_dim\" cannot be"),
            std::string::npos);
  EXPECT_NE(
      error_of([] { spec("llama", R"({"num_hidden_layers": 1000000000})"); }).find("at most 10000 layers"),
      std::string::npos);
  EXPECT_NE(error_of([] { spec("llama", R"({"tie_word_embeddings": "yes"})"); }).find("true or false"),
            std::string::npos);
  EXPECT_NE(error_of([] {
              spec("llama", R"({"rope_scaling": {"rope_type": "spiral"}})");
            }).find("one of none, default"),
            std::string::npos);
}

TEST(Config, OriginsNameTheirSource) {
  const FamilyLibrary library = FamilyLibrary::builtin();
  SpecReport report;
  resolve_config(*library.find("llama"),
                 {.config = small_config(R"({"rope_scaling": {"type": "linear", "factor": 2.0}})"),
                  .gguf = false,
                  .arch = {},
                  .where = "c"},
                 report);
  auto from = [&](const std::string& name) {
    for (const Origin& origin : report.origins)
      if (origin.name == name) return origin.from;
    return std::string("nowhere");
  };
  EXPECT_EQ(from("hidden"), "config \"hidden_size\"");
  EXPECT_EQ(from("attention.rope.factor"), "config \"rope_scaling.factor\"");
  EXPECT_EQ(from("attention.head_dim").substr(0, 40), "$hidden / $heads (families/_decoder.toml");
  EXPECT_EQ(from("attention.rope.theta").substr(0, 30), "family (families/_decoder.toml");
  EXPECT_EQ(from("attention.window"), "block's default");
}

TEST(Config, WhatAllLayersShareIsToldOnce) {
  const FamilyLibrary library = FamilyLibrary::builtin();
  SpecReport report;
  build_spec(*library.find("gemma3_text"),
             {.config = small_config(R"({"num_hidden_layers": 6})"), .gguf = false, .arch = {}, .where = "c"},
             report);
  std::vector<std::string> kinds, all;
  for (const Origin& origin : report.origins) {
    if (origin.name == "attention.window") kinds.push_back(origin.kind);
    if (origin.name == "attention.heads") all.push_back(origin.kind);
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"sliding", "full"}));
  EXPECT_EQ(all, (std::vector<std::string>{""}));
}

TEST(Config, AWrapperMayHoldTheKeys) {
  checkpoint::Checkpoint made;
  made.path = "/made";
  made.config = json::parse(R"({"model_type": "gemma3", "vision_config": {"layers": 3}, "boi_token_index": 7,
    "text_config": {"model_type": "gemma3_text", "hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 8}})")
                    .value();
  const FamilyLibrary library = FamilyLibrary::builtin();
  const Matched matched = match_checkpoint(made, library);
  SpecReport report;
  const nn::ModelSpec of = resolve_config(*matched.family, matched.view, report);
  EXPECT_EQ(of.hidden, 16);
  EXPECT_EQ(of.vocab, 262208);
  EXPECT_EQ(*mixer(of, "heads"), Value(8));
  EXPECT_EQ(*mixer(of, "scale"), Value(0.0625));
  EXPECT_EQ(of.embed_scale, 4.0f);
  EXPECT_TRUE(of.tied);
}

TEST(Config, AnyValueOfAnyKeyIsReadOrRefused) {
  const FamilyLibrary library = FamilyLibrary::builtin();
  const Value odd[] = {Value(true),    Value(-1),
                       Value(0),       Value(int64_t{1} << 62),
                       Value(1e300),   Value("word"),
                       Value(Array{}), Value(Array{Value(1), Value("x")}),
                       Value(Table{}), Value(Array(3, Value("full_attention"))),
                       Value(nullptr)};
  int read = 0, refused = 0;
  for (const std::string& name : library.names()) {
    const Family& family = *library.find(name);
    for (const std::string& path :
         readable_paths(family, {.config = {}, .gguf = false, .arch = {}, .where = "c"}))
      for (const Value& value : odd) {
        Value config = small_config();
        const size_t dot = path.find('.');
        Table inner;
        if (dot != std::string::npos) inner.set(path.substr(dot + 1), value);
        config.table().set(path.substr(0, dot), dot == std::string::npos ? value : Value(inner));
        const std::string error = error_of([&] { fixture::spec_of(library, name, config); });
        ++(error.empty() ? read : refused);
      }
  }
  EXPECT_GT(read, 500);
  EXPECT_GT(refused, 500);
}

TEST(Config, RealConfigsOfTheFamilies) {
  const fs::path configs = test::shared_data("configs");
  VARVE_NEEDS(configs);
  const FamilyLibrary library = FamilyLibrary::builtin();
  int read = 0;
  for (const std::string& name : library.names()) {
    if (!fs::exists(configs / name)) continue;
    for (const auto& file : fs::directory_iterator(configs / name)) {
      checkpoint::Checkpoint made;
      made.path = file.path();
      made.config = json::read_file(file.path());
      const Matched matched = match_checkpoint(made, library);
      SpecReport report;
      EXPECT_EQ(error_of([&] { resolve_config(*matched.family, matched.view, report); }), "") << file.path();
      ++read;
    }
  }
  EXPECT_GE(read, 7) << "configs of the families in the shared data";
}

}  // namespace
}  // namespace varve::family
