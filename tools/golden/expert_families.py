"""Core families with experts: mixtral, qwen2_moe, granitemoe, deepseek, gpt_oss, glm4_moe, ernie4_5_moe, minimax_m2, llama4."""

from __future__ import annotations

import dataclasses
from typing import Any

from case import ABSENT, Case, merged, normal
from tiny import tiny

# A softmax router that is too sure of its first expert leaves no gap between the others.
FLAT_ROUTER = {r"mlp\.gate\.weight$": normal(0.25)}


def moe_cases() -> list[Case]:
    return [
        Case(
            "mixtral-top2",
            tiny(
                "MixtralForCausalLM",
                "mixtral",
                intermediate_size=24,
                num_experts_per_tok=2,
                num_local_experts=6,
                output_router_logits=False,
                rope_theta=1000000.0,
                router_aux_loss_coef=0.02,
                sliding_window=None,
            ),
            "Six experts under block_sparse_moe.experts.N.w1, w2, w3; weights sum to one",
            must_matter={"experts per token": {"num_experts_per_tok": 3}},
        ),
        Case(
            "mixtral-window",
            tiny(
                "MixtralForCausalLM",
                "mixtral",
                head_dim=12,
                num_experts_per_tok=1,
                num_local_experts=3,
                rope_theta=ABSENT,
                sliding_window=7,
                torch_dtype="float16",
            ),
            "A window of 7, one expert per token, a head size of its own, the family's own default for the rotary base (1e6)",
            "float16",
            must_matter={"window": {"sliding_window": None}, "base": {"rope_theta": 10000.0}},
        ),
        Case(
            "qwen2_moe-shared",
            tiny(
                "Qwen2MoeForCausalLM",
                "qwen2_moe",
                decoder_sparse_step=1,
                max_window_layers=1,
                mlp_only_layers=[0],
                moe_intermediate_size=20,
                norm_topk_prob=False,
                num_experts=6,
                num_experts_per_tok=3,
                output_router_logits=False,
                router_aux_loss_coef=0.001,
                shared_expert_intermediate_size=40,
                sliding_window=8,
                use_sliding_window=False,
            ),
            "A shared expert behind a sigmoid gate, biases on q, k and v, first layer dense, weights that do not sum to one",
            draws=FLAT_ROUTER,
            must_matter={"norm_topk_prob": {"norm_topk_prob": True}},
            must_not_matter={"idle window": {"sliding_window": 300}},
        ),
        Case(
            "qwen2_moe-windows",
            tiny(
                "Qwen2MoeForCausalLM",
                "qwen2_moe",
                max_window_layers=2,
                moe_intermediate_size=16,
                num_experts=3,
                num_experts_per_tok=2,
                num_hidden_layers=3,
                shared_expert_intermediate_size=16,
                sliding_window=5,
                use_sliding_window=True,
            ),
            "Windows on every other layer below max_window_layers (here the first), unlike qwen2's upper layers",
            draws=FLAT_ROUTER,
            must_matter={"window": {"sliding_window": 64}, "which layers": {"max_window_layers": 0}},
        ),
        Case(
            "granitemoe-fused",
            tiny(
                "GraniteMoeForCausalLM",
                "granitemoe",
                attention_bias=False,
                attention_multiplier=0.4,
                embedding_multiplier=6.0,
                intermediate_size=24,
                logits_scaling=3.0,
                num_experts_per_tok=2,
                num_local_experts=5,
                output_router_logits=False,
                residual_multiplier=0.6,
                rope_scaling=None,
                router_aux_loss_coef=0.001,
                tie_word_embeddings=True,
            ),
            "Experts stored as one input_linear (gate and up fused) and one output_linear; four multipliers; tied",
            must_matter={
                "attention": {"attention_multiplier": 0.7},
                "embedding": {"embedding_multiplier": 1.0},
                "residual": {"residual_multiplier": 1.0},
                "logits": {"logits_scaling": 1.0},
            },
        ),
    ]


def deepseek_cases() -> list[Case]:
    yarn = {
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": 40,
        "mscale": 0.707,
        "mscale_all_dim": 0.707,
        "original_max_position_embeddings": 64,
        "type": "yarn",
    }
    common = {
        "attention_bias": False,
        "first_k_dense_replace": 1,
        "kv_lora_rank": 16,
        "max_position_embeddings": 2560,
        "moe_intermediate_size": 16,
        "moe_layer_freq": 1,
        "n_routed_experts": 8,
        "norm_topk_prob": False,
        "num_key_value_heads": 4,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 8,
        "rope_scaling": None,
        "rms_norm_eps": 1e-6,
        "v_head_dim": 12,
    }
    v2 = {**common, "aux_loss_alpha": 0.001, "n_shared_experts": 2, "scoring_func": "softmax", "seq_aux": True}
    v3 = {
        **common,
        "ep_size": 1,
        "n_group": 4,
        "n_shared_experts": 1,
        "norm_topk_prob": True,
        "num_experts_per_tok": 3,
        "num_nextn_predict_layers": 1,
        "q_lora_rank": 24,
        "routed_scaling_factor": 2.5,
        "scoring_func": "sigmoid",
        "topk_group": 2,
        "topk_method": "noaux_tc",
    }
    router = {"keep_float32": (r"e_score_correction_bias$",), "draws": {r"e_score_correction_bias$": normal(0.3)}}
    different = {"rope_scaling": {**yarn, "mscale": 1.0, "mscale_all_dim": 0.3}}
    return [
        Case(
            "deepseek_v2-lite",
            tiny(
                "DeepseekV2ForCausalLM",
                "deepseek_v2",
                **merged(
                    v2,
                    {
                        "n_group": 1,
                        "num_experts_per_tok": 2,
                        "q_lora_rank": None,
                        "rope_scaling": yarn,
                        "routed_scaling_factor": 1.0,
                        "topk_group": 1,
                        "topk_method": "greedy",
                    },
                ),
            ),
            "Latent attention with full-rank queries, YaRN with mscale, first layer dense, two shared experts, plain top-2;"
            " norm_topk_prob is read by no code of the reference",
            must_matter={"yarn": {"rope_scaling": None}, "mscale": different},
            must_not_matter={"norm_topk_prob": {"norm_topk_prob": True}},
        ),
        Case(
            "deepseek_v2-grouped",
            tiny(
                "DeepseekV2ForCausalLM",
                "deepseek_v2",
                **merged(
                    v2,
                    {
                        "n_group": 2,
                        "num_experts_per_tok": 2,
                        "q_lora_rank": 24,
                        "routed_scaling_factor": 4.0,
                        "topk_group": 1,
                        "topk_method": "group_limited_greedy",
                    },
                ),
            ),
            "Low-rank queries; experts chosen within the better of two groups, a group ranked by its best expert",
            draws={r"mlp\.gate\.weight$": normal(0.35)},
            prompt=24,
            greedy=8,
            must_matter={
                "groups": {"topk_method": "greedy"},
                "number of groups": {"topk_group": 2},
                "scaling factor": {"routed_scaling_factor": 1.0},
            },
        ),
        Case(
            "deepseek_v3-groups",
            tiny(
                "DeepseekV3ForCausalLM",
                "deepseek_v3",
                **{**v3, "rope_scaling": {**yarn, "mscale": 1.0, "mscale_all_dim": 1.0}},
            ),
            "Sigmoid scores corrected by a bias for the choice only, groups ranked by their two best, weights normalised and"
            " scaled, YaRN whose mscale goes into the attention scale, rotary pairs interleaved",
            must_matter={
                "groups": {"topk_group": 4},
                "normalised": {"norm_topk_prob": False},
                "interleaved": {"rope_interleave": False},
                "mscale": different,
            },
            **router,
        ),
        Case(
            "deepseek_v3-plain",
            tiny(
                "DeepseekV3ForCausalLM",
                "deepseek_v3",
                **{
                    **v3,
                    "first_k_dense_replace": 0,
                    "n_group": 1,
                    "norm_topk_prob": False,
                    "num_hidden_layers": 1,
                    "q_lora_rank": None,
                    "topk_group": 1,
                },
                rope_interleave=False,
                torch_dtype="float16",
            ),
            "Full-rank queries, one group, weights not normalised, halves rotated instead of pairs, every layer sparse",
            "float16",
            must_matter={"interleaved": {"rope_interleave": True}},
            **router,
        ),
        Case(
            "deepseek_v2-biases",
            tiny(
                "DeepseekV2ForCausalLM",
                "deepseek_v2",
                **merged(
                    v2,
                    {
                        "attention_bias": True,
                        "mlp_bias": True,
                        "n_group": None,
                        "n_routed_experts": 4,
                        "num_experts_per_tok": 2,
                        "q_lora_rank": 24,
                        "rms_norm_eps": 1e-2,
                        "rope_scaling": {**yarn, "mscale": 1.0, "mscale_all_dim": 0.3},
                        "routed_scaling_factor": 2.0,
                        "topk_group": None,
                        "topk_method": "greedy",
                    },
                ),
            ),
            "Biases in attention and in all MLPs but the experts, a large eps that the latents' norms do not share, rotary"
            " scaling whose two factors differ",
            draws={r"mlp\.gate\.weight$": normal(0.35)},
            prompt=24,
            greedy=8,
            must_matter={"eps": {"rms_norm_eps": 1e-6}},
        ),
    ]


def gpt_oss_case() -> Case:
    yarn = {
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "factor": 32.0,
        "original_max_position_embeddings": 64,
        "rope_type": "yarn",
        "truncate": False,
    }
    config = tiny(
        "GptOssForCausalLM",
        "gpt_oss",
        attention_bias=True,
        experts_per_token=2,
        head_dim=16,
        initial_context_length=64,
        intermediate_size=32,
        layer_types=["sliding_attention", "full_attention"],
        max_position_embeddings=2048,
        num_experts_per_tok=2,
        num_local_experts=4,
        output_router_logits=False,
        pad_token_id=0,
        rope_scaling=yarn,
        rope_theta=150000,
        router_aux_loss_coef=0.9,
        sliding_window=6,
        swiglu_limit=1.2,
    )
    return Case(
        "gpt_oss-bf16",
        config,
        "Sinks, alternating windows, biases everywhere, a clamped gate of sigmoid(1.702 x) with up plus one, transposed experts,"
        " the router's softmax over the chosen only, YaRN untruncated",
        draws={r"sinks$": normal(1.0), r"experts\.\w+_proj$": expert_columns, r"router\.weight$": normal(0.45)},
        must_matter={
            "window": {"sliding_window": 64},
            "truncation": {"rope_scaling": {**yarn, "truncate": True}},
            "clamp": {"swiglu_limit": 7.0},
            "experts per token": {"num_experts_per_tok": 1},
        },
        must_not_matter={"activation's name": {"hidden_act": "gelu"}},
    )


def expert_columns(shape: tuple[int, ...], rng: Any) -> Any:
    """Experts stored [E, in, out]."""
    return 1.2 / shape[1] ** 0.5 * rng.standard_normal(shape)


def later_moe_cases() -> list[Case]:
    correction = {"keep_float32": (r"e_score_correction_bias$",), "draws": {r"e_score_correction_bias$": normal(0.3)}}
    glm = {
        "attention_bias": True,
        "first_k_dense_replace": 1,
        "head_dim": 16,
        "moe_intermediate_size": 16,
        "n_group": 1,
        "n_routed_experts": 6,
        "n_shared_experts": 1,
        "norm_topk_prob": True,
        "num_experts_per_tok": 2,
        "num_nextn_predict_layers": 1,
        "partial_rotary_factor": 0.5,
        "rope_scaling": None,
        "routed_scaling_factor": 2.0,
        "topk_group": 1,
        "use_qk_norm": True,
    }
    return [
        Case(
            "glm4_moe-qk-norm",
            tiny("Glm4MoeForCausalLM", "glm4_moe", **glm),
            "Corrected sigmoid router, a shared expert, first layer dense, query and key norms, half rotary by halves",
            must_matter={"normalised": {"norm_topk_prob": False}, "scaling factor": {"routed_scaling_factor": 1.0}},
            **correction,
        ),
        Case(
            "glm4_moe-air",
            tiny(
                "Glm4MoeForCausalLM",
                "glm4_moe",
                **{
                    **glm,
                    "attention_bias": False,
                    "use_qk_norm": False,
                    "first_k_dense_replace": 0,
                    "n_shared_experts": 2,
                },
                torch_dtype="float16",
            )
            | {"num_hidden_layers": 1},
            "Without query and key norms, without biases, two shared experts in one, every layer sparse",
            "float16",
            **correction,
        ),
        Case(
            "ernie4_5_moe-statics",
            tiny(
                "Ernie4_5_MoeForCausalLM",
                "ernie4_5_moe",
                moe_capacity=[64, 64, 64],
                moe_gate="topk",
                moe_intermediate_size=16,
                moe_k=2,
                moe_layer_end_index=-1,
                moe_layer_interval=1,
                moe_layer_start_index=1,
                moe_num_experts=6,
                moe_num_shared_experts=2,
                moe_use_aux_free=True,
                pad_token_id=0,
                rope_theta=500000.0,
                tie_word_embeddings=True,
                use_bias=False,
            ),
            "Softmax scores corrected by moe_statics for the choice, renormalised; shared experts; first layer dense; router in f32",
            keep_float32=(r"e_score_correction_bias$", r"mlp\.gate\.weight$"),
            draws={r"e_score_correction_bias$": normal(0.2)},
            must_matter={"experts per token": {"moe_k": 3}},
        ),
        Case(
            "ernie4_5_moe-interval",
            tiny(
                "Ernie4_5_MoeForCausalLM",
                "ernie4_5_moe",
                moe_intermediate_size=16,
                moe_k=2,
                moe_layer_end_index=3,
                moe_layer_interval=2,
                moe_layer_start_index=1,
                moe_num_experts=4,
                moe_num_shared_experts=0,
                num_hidden_layers=5,
                rope_theta=500000.0,
                use_bias=True,
            ),
            "Sparse layers 1 and 3 of five (start, end, interval), no shared expert, biases, own head",
            keep_float32=(r"e_score_correction_bias$", r"mlp\.gate\.weight$"),
            draws={r"e_score_correction_bias$": normal(0.2)},
        ),
        Case(
            "minimax_m2-partial",
            tiny(
                "MiniMaxM2ForCausalLM",
                "minimax_m2",
                attn_type_list=[1, 1],
                head_dim=16,
                intermediate_size=16,
                mtp_transformer_layers=1,
                num_experts_per_tok=2,
                num_local_experts=6,
                num_mtp_modules=3,
                qk_norm_type="per_layer",
                rope_theta=5000000,
                rotary_dim=8,
                scoring_func="sigmoid",
                shared_intermediate_size=0,
                use_mtp=True,
                use_qk_norm=True,
                use_routing_bias=True,
            ),
            "rotary_dim 8 of heads of 16, one norm over all queries and one over all keys, corrected sigmoid router, w1, w2, w3",
            must_matter={"rotary_dim": {"rotary_dim": 16}},
            **correction,
        ),
        llama4_case(),
        llama4_reach_case(),
    ]


def llama4_case() -> Case:
    llama3 = {
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 32,
        "rope_type": "llama3",
    }
    return Case(
        "llama4_text-chunks",
        tiny(
            "Llama4ForCausalLM",
            "llama4_text",
            attention_bias=False,
            attention_chunk_size=8,
            attn_scale=0.5,
            attn_temperature_tuning=True,
            floor_scale=4,
            for_llm_compressor=False,
            head_dim=8,
            interleave_moe_layer_step=2,
            intermediate_size=24,
            intermediate_size_mlp=48,
            no_rope_layers=[1, 1, 1, 0],
            num_experts_per_tok=1,
            num_hidden_layers=4,
            num_local_experts=3,
            output_router_logits=False,
            rope_scaling=llama3,
            rope_theta=5000.0,
            router_aux_loss_coef=0.001,
            router_jitter_noise=0.0,
            use_qk_norm=True,
        ),
        "Chunks of 8 tokens on rotary layers, full attention with a temperature by position on the layer without rotary,"
        " interleaved rotary then norms without weight, sparse every other layer, input scaled by the sigmoid score",
        draws={r"experts\.\w+_proj$": expert_columns},
        must_matter={
            "chunks": {"attention_chunk_size": 64},
            "temperature": {"attn_temperature_tuning": False},
            "query and key norm": {"use_qk_norm": False},
            "scaling": {"rope_scaling": None},
        },
    )


def llama4_reach_case() -> Case:
    """The same blocks, with what is chunked and what rotates said apart."""
    return dataclasses.replace(
        llama4_case(),
        name="llama4_text-reach",
        config=merged(
            llama4_case().config,
            {
                "interleave_moe_layer_step": 1,
                "layer_types": ["full_attention", "chunked_attention", "chunked_attention"],
                "no_rope_layers": [1, 0, 1],
                "num_hidden_layers": 3,
            },
        ),
        about="layer_types places the chunks, no_rope_layers the rotary: a full layer rotates, a chunked one does not",
        must_matter={
            "chunks": {"layer_types": ["full_attention"] * 3},
            "rotary": {"no_rope_layers": [1, 1, 1]},
        },
    )


def cases() -> list[Case]:
    return [*moe_cases(), *deepseek_cases(), gpt_oss_case(), *later_moe_cases()]
