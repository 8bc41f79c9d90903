// What GGUF files become as config.json. The metadata is what llama.cpp's converter writes for the models
// that the tests name, with few tokens and narrow embeddings.
#include "family/config_writer.h"

#include <cmath>

#include "family/fixture.h"
#include "family/spec_difference.h"
#include "support/goldens.h"

namespace varve::family {
namespace {

using fixture::error_of;
using fixture::MadeCheckpoint;
using testing::HasSubstr;

MadeCheckpoint gguf_file(const std::string& metadata, int64_t hidden = 8) {
  MadeCheckpoint made(json::parse(metadata).value());
  made.checkpoint.layout = checkpoint::Checkpoint::Layout::gguf;
  made.checkpoint.path = "/made.gguf";
  made.add("token_embd.weight", {16, hidden});
  return made;
}

Value written(const MadeCheckpoint& made) {
  return hub_config(made.checkpoint, FamilyLibrary::builtin()).config;
}

/// The members of `expected` are members of `config`; null: there is none.
void expect_members(const Value& config, const std::string& expected) {
  const Value wanted = json::parse(expected).value();
  for (const auto& [key, value] : wanted.table()) {
    const Value* found = config.find(key);
    EXPECT_EQ(json::dump(found ? *found : Value()), json::dump(value)) << key;
  }
}

const std::string kSmall = R"({"general.architecture": "llama", "general.name": "Smollm2 135M",
  "llama.block_count": 30, "llama.context_length": 8192, "llama.embedding_length": 576,
  "llama.feed_forward_length": 1536, "llama.attention.head_count": 9, "llama.attention.head_count_kv": 3,
  "llama.rope.freq_base": 100000.0, "llama.attention.layer_norm_rms_epsilon": 1e-05,
  "llama.vocab_size": 49152, "llama.rope.dimension_count": 64,
  "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.padding_token_id": 2})";

TEST(ConfigWriter, WritesWholeConfig) {
  const MadeCheckpoint made = gguf_file(kSmall);
  const FamilyLibrary library = FamilyLibrary::builtin();
  const HubConfig hub = hub_config(made.checkpoint, library);
  EXPECT_EQ(hub.family, library.find("llama"));
  EXPECT_EQ(json::dump_as_python(json::with_sorted_members(hub.config), 1), R"({
 "architectures": [
  "LlamaForCausalLM"
 ],
 "attention_bias": false,
 "bos_token_id": 1,
 "eos_token_id": 2,
 "head_dim": 64,
 "hidden_act": "silu",
 "hidden_size": 576,
 "intermediate_size": 1536,
 "max_position_embeddings": 8192,
 "mlp_bias": false,
 "model_type": "llama",
 "num_attention_heads": 9,
 "num_hidden_layers": 30,
 "num_key_value_heads": 3,
 "pad_token_id": 2,
 "rms_norm_eps": 1e-05,
 "rope_theta": 100000.0,
 "tie_word_embeddings": true,
 "torch_dtype": "float32",
 "vocab_size": 16
})");
}

TEST(ConfigWriter, BiasesAndHeadAreThoseOfTheTensors) {
  MadeCheckpoint made = gguf_file(kSmall);
  made.add("output.weight", {16, 8});
  for (const char* name : {"attn_q", "attn_output", "ffn_down"})
    made.add(std::string("blk.0.") + name + ".bias", {8});
  expect_members(written(made),
                 R"({"attention_bias": true, "mlp_bias": true, "tie_word_embeddings": false})");
}

TEST(ConfigWriter, EveryEndOfAnAnswerIsNamed) {
  MadeCheckpoint made = gguf_file(kSmall);
  made.checkpoint.config.table().set("tokenizer.ggml.eot_token_id", 5);
  made.checkpoint.config.table().set("tokenizer.ggml.eom_token_id", 2);
  expect_members(written(made), R"({"eos_token_id": [2, 5]})");
}

TEST(ConfigWriter, DtypeIsThatOfTheMatrices) {
  MadeCheckpoint made = gguf_file(kSmall);
  made.add_bytes("blk.0.attn_q.weight", {64, 8}, DType::bf16, std::vector<std::byte>(1024));
  expect_members(written(made), R"({"torch_dtype": "bfloat16"})");
  made.add_bytes("blk.0.attn_k.weight", {64, 32}, DType::f16, std::vector<std::byte>(4096));
  expect_members(written(made), R"({"torch_dtype": "float16"})");
}

/// The divisors as a converter works them out, in float32.
std::vector<float> worked_out(float theta, int dims, float factor) {
  constexpr float kOriginal = 8192, kLow = 1, kHigh = 4, kPi = 3.14159265358979f;
  std::vector<float> out;
  for (int i = 0; i < dims / 2; ++i) {
    const float frequency = 1.0f / std::pow(theta, static_cast<float>(2 * i) / static_cast<float>(dims));
    const float wavelength = 2 * kPi / frequency;
    const float smooth = (kOriginal / wavelength - kLow) / (kHigh - kLow);
    const float ramp = 1 / ((1 - smooth) / factor + smooth);
    out.push_back(wavelength < kOriginal / kHigh ? 1 : wavelength > kOriginal / kLow ? factor : ramp);
  }
  return out;
}

MadeCheckpoint with_divisors(const std::vector<float>& divisors) {
  MadeCheckpoint made = gguf_file(kSmall);
  made.checkpoint.config.table().set("llama.rope.freq_base", 500000.0);
  made.checkpoint.config.table().set("llama.context_length", 131072);
  std::vector<std::byte> bytes(divisors.size() * sizeof(float));
  std::memcpy(bytes.data(), divisors.data(), bytes.size());
  made.add_bytes("rope_freqs.weight", {static_cast<int64_t>(divisors.size())}, DType::f32, std::move(bytes));
  return made;
}

TEST(ConfigWriter, WorkedOutFrequenciesBecomeTheirRule) {
  for (const float factor : {8.0f, 32.0f}) {
    const Value config = written(with_divisors(worked_out(500000, 64, factor)));
    expect_members(config, R"({"rope_theta": 500000.0, "max_position_embeddings": 131072})");
    expect_members(*config.find("rope_scaling"),
                   R"({"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                       "original_max_position_embeddings": 8192, "attention_factor": null})");
    EXPECT_EQ(config.find_path("rope_scaling.factor")->number(), factor);
  }
}

TEST(ConfigWriter, OtherFrequenciesAreWrittenOut) {
  std::vector<float> divisors = worked_out(500000, 64, 8);
  divisors[3] = 1.05f;
  const Value config = written(with_divisors(divisors));
  const Value& rope = *config.find("rope_scaling");
  expect_members(rope, R"({"rope_type": "longrope", "factor": 1, "attention_factor": 1.0,
                           "original_max_position_embeddings": 131072})");
  ASSERT_EQ(rope.find("long_factor")->array().size(), 32u);
  EXPECT_EQ(rope.find("long_factor")->array()[3].number(), 1.05);
  EXPECT_EQ(*rope.find("short_factor"), *rope.find("long_factor"));
}

TEST(ConfigWriter, KindsOfLayersHaveKeysOfTheirOwn) {
  const Value config = written(gguf_file(R"({"general.architecture": "gemma3", "gemma3.block_count": 34,
    "gemma3.context_length": 131072, "gemma3.embedding_length": 2560, "gemma3.feed_forward_length": 10240,
    "gemma3.attention.head_count": 8, "gemma3.attention.head_count_kv": 4, "gemma3.attention.key_length": 256,
    "gemma3.attention.value_length": 256, "gemma3.attention.layer_norm_rms_epsilon": 1e-06,
    "gemma3.attention.sliding_window": 1024, "gemma3.rope.freq_base": 1000000.0,
    "gemma3.rope.scaling.type": "linear", "gemma3.rope.scaling.factor": 8.0})"));
  expect_members(config, R"({"model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"],
    "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "sliding_window": 1024,
    "sliding_window_pattern": 6, "query_pre_attn_scalar": 256, "head_dim": 256, "attention_bias": false,
    "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": true, "torch_dtype": "bfloat16",
    "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "partial_rotary_factor": null})");
}

TEST(ConfigWriter, GptOss) {
  const Value config = written(gguf_file(R"({"general.architecture": "gpt-oss", "gpt-oss.block_count": 24,
    "gpt-oss.context_length": 131072, "gpt-oss.embedding_length": 2880, "gpt-oss.feed_forward_length": 2880,
    "gpt-oss.attention.head_count": 64, "gpt-oss.attention.head_count_kv": 8, "gpt-oss.rope.freq_base": 150000.0,
    "gpt-oss.attention.layer_norm_rms_epsilon": 1e-05, "gpt-oss.expert_count": 32, "gpt-oss.expert_used_count": 4,
    "gpt-oss.attention.key_length": 64, "gpt-oss.attention.value_length": 64,
    "gpt-oss.attention.sliding_window": 128, "gpt-oss.expert_feed_forward_length": 2880,
    "gpt-oss.rope.scaling.type": "yarn", "gpt-oss.rope.scaling.factor": 32.0,
    "gpt-oss.rope.scaling.original_context_length": 4096})"));
  expect_members(config, R"({"model_type": "gpt_oss", "num_local_experts": 32, "num_experts_per_tok": 4,
    "intermediate_size": 2880, "sliding_window": 128, "swiglu_limit": 7.0, "attention_bias": true,
    "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096,
                     "truncate": false}})");
}

TEST(ConfigWriter, Phi3HasItsOwnTableOfFactors) {
  const std::string metadata = R"({"general.architecture": "phi3", "phi3.block_count": 32,
    "phi3.context_length": 131072, "phi3.rope.scaling.original_context_length": 4096,
    "phi3.embedding_length": 3072, "phi3.feed_forward_length": 8192, "phi3.attention.head_count": 32,
    "phi3.attention.head_count_kv": 32, "phi3.attention.layer_norm_rms_epsilon": 1e-05,
    "phi3.rope.dimension_count": 96, "phi3.rope.freq_base": 10000.0, "phi3.attention.sliding_window": 262144,
    "phi3.rope.scaling.attn_factor": 1.1902381})";
  MadeCheckpoint made = gguf_file(metadata);
  made.add("rope_factors_short.weight", {48}, 1);
  made.add("rope_factors_long.weight", {48}, 2);
  const Value config = written(made);
  expect_members(config, R"({"model_type": "phi3", "original_max_position_embeddings": 4096,
    "max_position_embeddings": 131072, "sliding_window": 262144, "partial_rotary_factor": null})");
  const Value& rope = *config.find("rope_scaling");
  EXPECT_EQ(rope.table().keys(), (std::vector<std::string>{"type", "short_factor", "long_factor"}));
  EXPECT_EQ(rope.find("long_factor")->array()[47].number(), 49);

  made.checkpoint.config.table().set("phi3.rope.dimension_count", 72);  // of 96
  made.checkpoint.tensors.erase("rope_factors_short.weight");
  made.checkpoint.tensors.erase("rope_factors_long.weight");
  made.checkpoint.config.table().erase("phi3.rope.scaling.attn_factor");
  expect_members(written(made), R"({"partial_rotary_factor": 0.75, "rope_scaling": null})");
}

std::string qwen(const std::string& arch, const std::string& more) {
  const std::string dot = "\"" + arch + ".";
  return R"({"general.architecture": ")" + arch + "\", " + dot + "block_count\": 4, " + dot +
         "context_length\": 32768, " + dot + "embedding_length\": 896, " + dot +
         "feed_forward_length\": 4864, " + dot + "attention.head_count\": 14, " + dot +
         "attention.head_count_kv\": 2, " + dot + "rope.freq_base\": 1000000.0, " + dot +
         "attention.layer_norm_rms_epsilon\": 1e-06" + more + "}";
}

TEST(ConfigWriter, SwitchedOffWindowsSayNothingElse) {
  const Value config = written(gguf_file(qwen("qwen2", "")));
  expect_members(config, R"({"model_type": "qwen2", "use_sliding_window": false, "sliding_window": null,
    "max_window_layers": null, "rope_scaling": null, "head_dim": 64, "hidden_act": "silu"})");
}

TEST(ConfigWriter, StretchedContexts) {
  const Value config = written(gguf_file(qwen("qwen2", R"(, "qwen2.rope.scaling.type": "yarn",
    "qwen2.rope.scaling.factor": 4.0, "qwen2.rope.scaling.original_context_length": 32768)")));
  expect_members(config,
                 R"({"max_position_embeddings": 32768, "rope_scaling": {"rope_type": "yarn", "factor": 4.0,
    "original_max_position_embeddings": 32768}, "original_max_position_embeddings": null})");
}

TEST(ConfigWriter, Qwen3AndItsExperts) {
  const Value dense = written(gguf_file(
      qwen("qwen3", R"(, "qwen3.attention.key_length": 128, "qwen3.attention.value_length": 128)")));
  expect_members(dense, R"({"model_type": "qwen3", "head_dim": 128, "attention_bias": false})");
  const Value sparse = written(gguf_file(qwen("qwen3moe", R"(, "qwen3moe.attention.key_length": 128,
    "qwen3moe.attention.value_length": 128, "qwen3moe.expert_count": 128, "qwen3moe.expert_used_count": 8,
    "qwen3moe.expert_feed_forward_length": 768)")));
  expect_members(sparse, R"({"model_type": "qwen3_moe", "num_experts": 128, "num_experts_per_tok": 8,
    "moe_intermediate_size": 768, "norm_topk_prob": true, "decoder_sparse_step": 1, "mlp_only_layers": []})");
}

std::string deepseek(const std::string& more) {
  return R"({"general.architecture": "deepseek2", "deepseek2.block_count": 27, "deepseek2.context_length": 163840,
    "deepseek2.embedding_length": 2048, "deepseek2.feed_forward_length": 10944,
    "deepseek2.attention.head_count": 16, "deepseek2.attention.head_count_kv": 1,
    "deepseek2.rope.freq_base": 10000.0, "deepseek2.attention.layer_norm_rms_epsilon": 1e-06,
    "deepseek2.leading_dense_block_count": 1, "deepseek2.attention.kv_lora_rank": 512,
    "deepseek2.attention.key_length": 576, "deepseek2.attention.value_length": 512,
    "deepseek2.attention.key_length_mla": 192, "deepseek2.attention.value_length_mla": 128,
    "deepseek2.expert_feed_forward_length": 1408, "deepseek2.expert_count": 64,
    "deepseek2.expert_used_count": 6, "deepseek2.expert_shared_count": 2, "deepseek2.rope.dimension_count": 64,
    "deepseek2.rope.scaling.type": "yarn", "deepseek2.rope.scaling.factor": 40.0,
    "deepseek2.rope.scaling.original_context_length": 4096,
    "deepseek2.rope.scaling.yarn_log_multiplier": 0.0707)" +
         more + "}";
}

TEST(ConfigWriter, LatentAttention) {
  const Value config = written(gguf_file(deepseek(R"(, "deepseek2.expert_weights_scale": 1.0)")));
  expect_members(config, R"({"model_type": "deepseek_v2", "architectures": ["DeepseekV2ForCausalLM"],
    "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "num_key_value_heads": 16, "first_k_dense_replace": 1, "n_routed_experts": 64, "n_shared_experts": 2,
    "topk_method": "greedy", "moe_layer_freq": 1, "routed_scaling_factor": 1.0, "head_dim": null})");
  ASSERT_NE(config.find("q_lora_rank"), nullptr);  // none, which is not the default
  EXPECT_TRUE(config.find("q_lora_rank")->is_null());
  expect_members(*config.find("rope_scaling"), R"({"rope_type": "yarn", "factor": 40.0,
    "original_max_position_embeddings": 4096, "attention_factor": null})");
  EXPECT_NEAR(config.find_path("rope_scaling.mscale_all_dim")->number(), 0.707, 1e-12);
}

TEST(ConfigWriter, OneArchitectureMayStandForSeveralFamilies) {
  MadeCheckpoint made = gguf_file(deepseek(R"(, "deepseek2.expert_weights_scale": 2.5,
    "deepseek2.attention.q_lora_rank": 1536, "deepseek2.expert_gating_func": 2,
    "deepseek2.expert_weights_norm": true, "deepseek2.expert_group_count": 8,
    "deepseek2.expert_group_used_count": 4)"));
  made.add("blk.1.exp_probs_b.bias", {64});
  const FamilyLibrary library = FamilyLibrary::builtin();
  const HubConfig hub = hub_config(made.checkpoint, library);
  EXPECT_EQ(hub.family, library.find("deepseek_v3"));
  expect_members(hub.config, R"({"model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"],
    "q_lora_rank": 1536, "n_group": 8, "topk_group": 4, "topk_method": "noaux_tc", "norm_topk_prob": true,
    "routed_scaling_factor": 2.5})");
}

TEST(ConfigWriter, NamesWhatDoesNotComeBack) {
  const FamilyLibrary library = fixture::library_with(R"(
about   = "A window that only GGUF files say"
extends = "llama"
[match]
model_type = ["mine"]
gguf       = ["mine"]
[attention]
window = "$window"
[gguf.config]
window = "<arch>.attention.sliding_window"
)");
  MadeCheckpoint made = gguf_file(
      R"({"general.architecture": "mine", "mine.block_count": 2, "mine.context_length": 64, "mine.embedding_length": 8,
          "mine.feed_forward_length": 12, "mine.attention.head_count": 2, "mine.attention.sliding_window": 32})");
  const std::string error = error_of([&] { hub_config(made.checkpoint, library); });
  EXPECT_THAT(error, HasSubstr("\"attention.window\" of layer 0 does not come back"));
  EXPECT_THAT(error, HasSubstr("32, from config \"mine.attention.sliding_window\""));
}

TEST(ConfigWriter, EveryFamilyWithGgufIsTried) {
  // One of the tests above stands for each; another family needs one of its own.
  std::vector<std::string> with_gguf;
  const FamilyLibrary library = FamilyLibrary::builtin();
  for (const std::string& name : library.names())
    if (!library.match_of(name).gguf.empty()) with_gguf.push_back(name);
  EXPECT_EQ(with_gguf, (std::vector<std::string>{"deepseek_v2", "gemma3_text", "gpt_oss", "llama", "phi3",
                                                 "qwen2", "qwen3", "qwen3_moe"}));
}

class GgufCase : public testing::TestWithParam<std::filesystem::path> {};

// Each case holds the config that its metadata stand for, as the hub spells it.
TEST_P(GgufCase, ConfigMeansWhatTheHubsMeans) {
  const FamilyLibrary library = FamilyLibrary::builtin();
  const HubConfig hub = hub_config(checkpoint::Checkpoint::open(GetParam() / "model.gguf"), library);
  const Value expected = json::read_file(GetParam() / "expected_config.json");
  for (const char* key : {"model_type", "architectures", "bos_token_id", "eos_token_id", "vocab_size"})
    EXPECT_EQ(*hub.config.find(key), *expected.find(key)) << key;
  EXPECT_THAT(expected.find("model_type")->text(), testing::AnyOfArray(hub.family->match.model_types));
  const auto wrong = difference(fixture::spec_of(library, hub.family->name, expected),
                                fixture::spec_of(library, hub.family->name, hub.config));
  EXPECT_FALSE(wrong) << wrong->name << ": " << json::dump(wrong->first) << ", not "
                      << json::dump(wrong->second);
}

std::vector<std::filesystem::path> gguf_cases() {
  std::vector<std::filesystem::path> out;
  for (const auto& folder : test::golden_cases())
    if (std::filesystem::exists(folder / "model.gguf")) out.push_back(folder);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Goldens, GgufCase, testing::ValuesIn(gguf_cases()),
                         [](const auto& one) { return test::case_name(one.param); });

TEST(SpecDifference, RotationsAreComparedByWhatTheyDo) {
  const FamilyLibrary library = FamilyLibrary::builtin();
  const auto spec = [&](const std::string& more) {
    return fixture::spec_of(library, "llama", fixture::small_config(more));
  };
  const nn::ModelSpec plain = spec("{}");
  EXPECT_FALSE(difference(plain, plain));
  // A stretch by nothing is none.
  EXPECT_FALSE(difference(plain, spec(R"({"rope_scaling": {"rope_type": "linear", "factor": 1.0}})")));
  const auto other = difference(plain, spec(R"({"rope_scaling": {"rope_type": "linear", "factor": 2.0}})"));
  ASSERT_TRUE(other);
  EXPECT_EQ(other->name, "attention.rope");
  EXPECT_EQ(other->layer, 0);
  EXPECT_EQ(difference(plain, spec(R"({"rms_norm_eps": 1e-5})"))->name, "rms_norm.eps");
  EXPECT_EQ(difference(plain, spec(R"({"num_hidden_layers": 2})"))->name, "layers");
}

}  // namespace
}  // namespace varve::family
