"""The first families: llama, mistral, qwen2, qwen3, qwen3_moe, phi3, gemma3_text."""

from __future__ import annotations

from typing import Any

from case import ABSENT, Case, merged, uniform


def llama_config(dtype: str = "bfloat16", **changes: Any) -> dict[str, Any]:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 96,
        "max_position_embeddings": 512,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "transformers_version": "4.45.2",
        "use_cache": True,
        "vocab_size": 160,
    }
    return merged(config, changes)


def llama(variant: str, about: str, dtype: str = "bfloat16", config: dict[str, Any] | None = None, **case: Any) -> Case:
    return Case(f"llama-{variant}", llama_config(dtype, **(config or {})), about, dtype, **case)


# Rotary needs long heads to show all its ranges, and little else.
SMALL = {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 128}
NO_SCALING = {"rotary scaling": {"rope_scaling": None}}


def llama_cases() -> list[Case]:
    llama3 = {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
        "rope_type": "llama3",
    }
    yarn = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    yarn_all = {
        "rope_type": "yarn",
        "factor": 8.0,
        "original_max_position_embeddings": 32,
        "beta_fast": 16.0,
        "beta_slow": 2.0,
        "mscale": 1.5,
        "mscale_all_dim": 0.5,
    }
    return [
        llama(
            "gqa",
            "The plain case: grouped queries, own output head, a rotary base that is not the default",
            config={"rope_theta": 500.0},
            must_matter={"rotary base": {"rope_theta": ABSENT}},
        ),
        llama(
            "f32",
            "float32 weights, one KV head per query head (num_key_value_heads absent), norm epsilon large enough to show",
            "float32",
            {
                "num_key_value_heads": ABSENT,
                "hidden_size": 48,
                "intermediate_size": 64,
                "rms_norm_eps": 0.05,
                "vocab_size": 128,
            },
            must_matter={"norm epsilon": {"rms_norm_eps": 1e-5}},
        ),
        llama(
            "tied",
            "Tied head in float16; no key for the rotary base, so that the default holds",
            "float16",
            {"tie_word_embeddings": True, "rope_theta": ABSENT},
        ),
        llama(
            "biases",
            "attention_bias and mlp_bias: seven biases in each layer; one KV head for all queries",
            config={"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 1},
        ),
        llama(
            "odd-sizes",
            "Sizes that are no multiple of a vector: hidden 60, heads of 10, feed-forward 84, vocabulary 131",
            config={
                "hidden_size": 60,
                "num_attention_heads": 6,
                "num_key_value_heads": 2,
                "intermediate_size": 84,
                "vocab_size": 131,
            },
        ),
        llama(
            "head-dim",
            "head_dim 24 where hidden/heads is 16",
            config={"head_dim": 24, "intermediate_size": 64},
        ),
        llama(
            "gelu",
            "Another activation: hidden_act gelu_pytorch_tanh",
            config={**SMALL, "hidden_act": "gelu_pytorch_tanh"},
            must_matter={"activation": {"hidden_act": "silu"}},
        ),
        llama(
            "rope-linear",
            "Linear rotary scaling",
            config={**SMALL, "rope_scaling": {"type": "linear", "factor": 4.0}},
            must_matter=NO_SCALING,
        ),
        llama(
            "rope-dynamic",
            "Dynamic NTK rotary with a text longer than max_position_embeddings: the scale follows the text's length",
            config={**SMALL, "rope_scaling": {"type": "dynamic", "factor": 4.0}, "max_position_embeddings": 12},
            must_matter=NO_SCALING,
            greedy=0,
            note="All 28 positions use the scale for length 28. Greedy ids are left out: past the limit they depend on"
            " whether earlier keys are rotated anew.",
        ),
        llama(
            "rope-dynamic-short",
            "Dynamic NTK rotary within max_position_embeddings: equal to no scaling",
            config={**SMALL, "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}, "max_position_embeddings": 64},
            must_not_matter=NO_SCALING,
        ),
        llama(
            "rope-yarn",
            "YaRN with defaults for everything but the factor; a large base, so that the ramp lies inside the head",
            config={**SMALL, "rope_scaling": yarn, "rope_theta": 1e6, "max_position_embeddings": 256},
            must_matter=NO_SCALING,
        ),
        llama(
            "rope-yarn-mscale",
            "YaRN with beta_fast, beta_slow, mscale and mscale_all_dim",
            config={**SMALL, "rope_scaling": yarn_all, "max_position_embeddings": 256},
            must_matter={
                **NO_SCALING,
                "betas": {"rope_scaling": {**yarn_all, "beta_fast": 32.0, "beta_slow": 1.0}},
                "mscale": {"rope_scaling": {**yarn_all, "mscale": 0.0, "mscale_all_dim": 0.0}},
            },
        ),
        llama(
            "rope-yarn-untruncated",
            "YaRN with truncate false and an attention_factor",
            config={
                **SMALL,
                "rope_scaling": {**yarn, "truncate": False, "attention_factor": 0.8},
                "max_position_embeddings": 256,
            },
            must_matter={
                **NO_SCALING,
                "truncate": {"rope_scaling": {**yarn, "truncate": True, "attention_factor": 0.8}},
                "attention factor": {"rope_scaling": {**yarn, "truncate": False}},
            },
        ),
        llama(
            "rope-llama3",
            "Llama 3.1's rotary scaling: high, middle and low frequencies; a list of end ids",
            config={
                **SMALL,
                "rope_scaling": llama3,
                "rope_theta": 500000.0,
                "max_position_embeddings": 256,
                "eos_token_id": [2, 5],
            },
            must_matter={
                **NO_SCALING,
                "high_freq_factor": {"rope_scaling": {**llama3, "high_freq_factor": 16.0}},
                "low_freq_factor": {"rope_scaling": {**llama3, "low_freq_factor": 0.25}},
            },
        ),
    ]


def mistral_config(dtype: str, **changes: Any) -> dict[str, Any]:
    config = llama_config(dtype, architectures=["MistralForCausalLM"], model_type="mistral", sliding_window=None)
    for key in ("attention_bias", "mlp_bias", "pretraining_tp", "rope_scaling"):
        del config[key]
    return merged(config, changes)


def mistral_cases() -> list[Case]:
    return [
        Case(
            "mistral-window",
            mistral_config("bfloat16", sliding_window=8, rope_theta=1000.0),
            "A sliding window of 8 on every layer, shorter than the text",
            must_matter={"window": {"sliding_window": 64}, "window's edge": {"sliding_window": 9}},
        ),
        Case(
            "mistral-head-dim",
            mistral_config("float16", sliding_window=None, head_dim=32, rope_theta=1e6),
            "No window, head_dim larger than hidden/heads (Nemo)",
            "float16",
        ),
    ]


def qwen_config(family: str, dtype: str, **changes: Any) -> dict[str, Any]:
    architecture = {"qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM", "qwen3_moe": "Qwen3MoeForCausalLM"}[
        family
    ]
    config = {
        "architectures": [architecture],
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 96,
        "max_position_embeddings": 512,
        "max_window_layers": 2,
        "model_type": family,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 512,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "transformers_version": "4.43.1",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": 160,
    }
    if family != "qwen2":
        config.update(attention_bias=False, head_dim=24, rope_scaling=None, transformers_version="4.51.0")
    return merged(config, changes)


def qwen_cases() -> list[Case]:
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    moe = {
        "hidden_size": 48,
        "decoder_sparse_step": 1,
        "intermediate_size": 96,
        "mlp_only_layers": [],
        "moe_intermediate_size": 32,
        "norm_topk_prob": True,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "output_router_logits": False,
        "router_aux_loss_coef": 0.001,
        "sliding_window": None,
    }
    return [
        Case(
            "qwen2-untied",
            qwen_config("qwen2", "bfloat16", sliding_window=8),
            "Biases on q, k and v; own head; a sliding_window that use_sliding_window switches off",
            must_matter={"rotary base": {"rope_theta": 10000.0}},
            must_not_matter={"idle window": {"sliding_window": 512}},
        ),
        Case(
            "qwen2-tied",
            qwen_config("qwen2", "float16", tie_word_embeddings=True, num_attention_heads=6, hidden_size=72),
            "Tied head, float16, three queries to a KV head, hidden size 72",
            "float16",
        ),
        Case(
            "qwen2-window",
            qwen_config(
                "qwen2",
                "bfloat16",
                use_sliding_window=True,
                sliding_window=6,
                max_window_layers=2,
                num_hidden_layers=4,
                intermediate_size=64,
            ),
            "use_sliding_window with max_window_layers 2 of 4: the first two layers see everything, the rest six tokens",
            must_matter={"window": {"use_sliding_window": False}, "first layer": {"max_window_layers": 0}},
        ),
        Case(
            "qwen2-yarn",
            qwen_config(
                "qwen2", "bfloat16", rope_scaling=yarn, max_position_embeddings=64, hidden_size=48, vocab_size=128
            ),
            "YaRN as Qwen2.5's model card asks for it: max_position_embeddings left as it was",
            must_matter=NO_SCALING,
        ),
        Case(
            "qwen3-untied",
            qwen_config("qwen3", "bfloat16"),
            "Norms on each head's queries and keys before rotary, head_dim 24 where hidden/heads is 16",
        ),
        Case(
            "qwen3-tied-biases",
            qwen_config(
                "qwen3",
                "float32",
                attention_bias=True,
                tie_word_embeddings=True,
                intermediate_size=64,
                hidden_size=48,
                head_dim=16,
            ),
            "Tied head, attention_bias true (q, k, v and o), float32",
            "float32",
        ),
        Case(
            "qwen3_moe-renormalised",
            qwen_config("qwen3_moe", "bfloat16", **moe),
            "Every layer has 8 experts of which 2 answer; their weights sum to one",
            must_matter={"norm_topk_prob": {"norm_topk_prob": False}, "experts per token": {"num_experts_per_tok": 3}},
        ),
        Case(
            "qwen3_moe-mixed",
            qwen_config(
                "qwen3_moe",
                "float16",
                **merged(
                    moe,
                    {
                        "decoder_sparse_step": 2,
                        "intermediate_size": 64,
                        "mlp_only_layers": [3],
                        "norm_topk_prob": False,
                        "num_experts": 6,
                        "num_experts_per_tok": 3,
                        "num_hidden_layers": 4,
                    },
                ),
            ),
            "decoder_sparse_step 2 and mlp_only_layers [3]: only layer 1 of 4 is sparse; weights do not sum to one",
            "float16",
            must_matter={"norm_topk_prob": {"norm_topk_prob": True}},
        ),
    ]


def phi3_config(dtype: str, **changes: Any) -> dict[str, Any]:
    config = {
        "architectures": ["Phi3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "embd_pdrop": 0.0,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 96,
        "max_position_embeddings": 64,
        "model_type": "phi3",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "original_max_position_embeddings": 64,
        "pad_token_id": 0,
        "resid_pdrop": 0.0,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "transformers_version": "4.40.2",
        "use_cache": True,
        "vocab_size": 160,
    }
    return merged(config, changes)


def phi3_cases() -> list[Case]:
    longrope = {
        "type": "longrope",
        "long_factor": [1.1, 1.4, 2.0, 3.5, 5.0, 8.0, 12.0, 20.0],
        "short_factor": [1.0, 1.05, 1.3, 1.6, 1.9, 2.2, 2.6, 3.0],
    }
    half = {"type": "longrope", "long_factor": [1.2, 2.0, 4.0, 9.0], "short_factor": [1.0, 1.1, 1.5, 2.0]}
    swapped = {**longrope, "long_factor": longrope["short_factor"], "short_factor": longrope["long_factor"]}
    return [
        Case(
            "phi3-window",
            phi3_config("bfloat16", sliding_window=8),
            "Fused qkv and gate-up projections with grouped queries; a window shorter than the text",
            must_matter={"window": {"sliding_window": None}, "window's edge": {"sliding_window": 9}},
        ),
        Case(
            "phi3-longrope-short",
            phi3_config("bfloat16", rope_scaling=longrope, max_position_embeddings=256),
            "longrope below the original length: the short factors hold; the attention factor follows from 256/64",
            must_matter={
                "short factors": {"rope_scaling": swapped},
                "attention factor": {"max_position_embeddings": 64},
            },
            must_not_matter={"long factors": {"rope_scaling": {**longrope, "long_factor": [1.0] * 8}}},
        ),
        Case(
            "phi3-longrope-long",
            phi3_config(
                "bfloat16", rope_scaling=longrope, max_position_embeddings=256, original_max_position_embeddings=16
            ),
            "longrope beyond the original length: the long factors hold for every position; spelt as the hub does",
            must_matter={"long factors": {"rope_scaling": swapped}},
            must_not_matter={"short factors": {"rope_scaling": {**longrope, "short_factor": [1.0] * 8}}},
        ),
        Case(
            "phi3-partial",
            phi3_config(
                "float16",
                partial_rotary_factor=0.5,
                tie_word_embeddings=True,
                num_key_value_heads=4,
                rope_scaling=half,
                max_position_embeddings=256,
            ),
            "Rotary on half of each head (Phi-4-mini), tied head, longrope with a factor for each rotated pair only",
            "float16",
            must_matter={"factors": {"rope_scaling": {**half, "short_factor": [1.0] * 4}}},
        ),
    ]


def gemma3_config(dtype: str, **changes: Any) -> dict[str, Any]:
    config = {
        "architectures": ["Gemma3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": None,
        "bos_token_id": 2,
        "cache_implementation": "hybrid",
        "eos_token_id": [1, 106],
        "final_logit_softcapping": None,
        "head_dim": 24,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 48,
        "initializer_range": 0.02,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
        "model_type": "gemma3_text",
        "num_attention_heads": 4,
        "num_hidden_layers": 6,
        "num_key_value_heads": 1,
        "pad_token_id": 0,
        "query_pre_attn_scalar": 16,
        "rms_norm_eps": 1e-06,
        "rope_local_base_freq": 100.0,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "sliding_window": 6,
        "sliding_window_pattern": 6,
        "torch_dtype": dtype,
        "transformers_version": "4.50.0.dev0",
        "use_cache": True,
        "vocab_size": 128,
    }
    return merged(config, changes)


def gemma3_cases() -> list[Case]:
    # The embedding is multiplied by sqrt(hidden) in the model: draw it small, or the layers would not show.
    small = {r"embed_tokens\.weight$": uniform(-0.3, 0.3)}
    return [
        Case(
            "gemma3_text-windows",
            gemma3_config("bfloat16"),
            "Five windowed layers to one full, two rotary bases, a window of 6, attention scale 1/sqrt(16) with heads of 24;"
            " the tied head follows from the default",
            norm_offset=1.0,
            draws=small,
            must_matter={
                "window": {"sliding_window": 64},
                "pattern": {"sliding_window_pattern": 3},
                "local base": {"rope_local_base_freq": 10000.0},
                "global base": {"rope_theta": 100.0},
                "attention scale": {"query_pre_attn_scalar": 24},
            },
        ),
        Case(
            "gemma3_text-scaled",
            gemma3_config(
                "float32",
                sliding_window_pattern=ABSENT,
                layer_types=["sliding_attention", "full_attention", "full_attention"],
                num_hidden_layers=3,
                num_key_value_heads=2,
                head_dim=16,
                rope_scaling={"factor": 8.0, "rope_type": "linear"},
                final_logit_softcapping=3.0,
                attn_logit_softcapping=1.0,
                rope_local_base_freq=ABSENT,
                rope_theta=ABSENT,
            ),
            "layer_types given, linear rotary scaling on the full layers only, default bases, a cap on the final logits;"
            " attn_logit_softcapping is read by no layer of this family",
            "float32",
            norm_offset=1.0,
            draws=small,
            must_matter={"scaling": {"rope_scaling": None}, "final cap": {"final_logit_softcapping": None}},
            must_not_matter={"attention cap": {"attn_logit_softcapping": None}},
        ),
    ]


def cases() -> list[Case]:
    return [*llama_cases(), *mistral_cases(), *qwen_cases(), *phi3_cases(), *gemma3_cases()]
