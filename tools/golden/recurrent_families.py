"""Families that carry a recurrent state: mamba2, falcon_h1, lfm2, qwen3_next, recurrent_gemma."""

from __future__ import annotations


import numpy as np

from case import ABSENT, Case, Draw, Shape, normal, uniform
from tiny import NO_RMS, tiny

CONVOLUTION = {r"conv(1d|_1d)?(\.conv)?\.weight$": normal(0.6)}


def decay(low: float, high: float) -> Draw:
    """A_log: the logarithm of a decay rate."""
    return lambda shape, rng: np.log(rng.uniform(low, high, shape))


STATE: dict[str, Draw] = {
    r"A_log$": decay(0.3, 4.0),
    r"dt_bias$": uniform(-2.0, 1.0),
    r"\.D$": uniform(-1.5, 1.5),
    **CONVOLUTION,
}


def mamba2_cases() -> list[Case]:
    config = {
        "architectures": ["Mamba2ForCausalLM"],
        "bos_token_id": 0,
        "chunk_size": 8,
        "conv_kernel": 4,
        "eos_token_id": 2,
        "expand": 2,
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.1,
        "layer_norm_epsilon": 1e-05,
        "model_type": "mamba2",
        "n_groups": 2,
        "norm_before_gate": True,
        "num_heads": 8,
        "num_hidden_layers": 2,
        "pad_token_id": 1,
        "rescale_prenorm_residual": False,
        "residual_in_fp32": True,
        "rms_norm": True,
        "state_size": 12,
        "tie_word_embeddings": False,
        "time_step_floor": 0.0001,
        "time_step_limit": [0.0, float("inf")],
        "time_step_max": 0.1,
        "time_step_min": 0.001,
        "time_step_rank": 2,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.44.0",
        "use_bias": False,
        "use_cache": True,
        "use_conv_bias": True,
        "vocab_size": 64,
    }
    return [
        Case(
            "mamba2-groups",
            config,
            "Eight heads in two groups, a gated norm within each group, a text longer than three chunks; config.json holds"
            " the bare word Infinity, as files on the hub do",
            draws=STATE,
            must_not_matter={"chunk size": {"chunk_size": 28}, "norm before gate": {"norm_before_gate": False}},
            bits_may_move=("chunk size",),
        ),
        Case(
            "mamba2-limits",
            {
                **config,
                "n_groups": 1,
                "time_step_limit": [0.2, 0.9],
                "tie_word_embeddings": True,
                "torch_dtype": "float32",
                "use_bias": True,
                "use_conv_bias": False,
                "conv_kernel": 3,
            },
            "Finite time step limits (clamped in every form), biases on the projections, no bias on the convolution of width 3, tied",
            "float32",
            draws=STATE,
            must_matter={"limits": {"time_step_limit": [0.0, float("inf")]}},
        ),
    ]


def falcon_h1_cases() -> list[Case]:
    config = tiny(
        "FalconH1ForCausalLM",
        "falcon_h1",
        attention_bias=False,
        attention_in_multiplier=1.2,
        attention_out_multiplier=0.8,
        embedding_multiplier=2.0,
        head_dim=8,
        key_multiplier=0.7,
        lm_head_multiplier=0.6,
        mamba_chunk_size=8,
        mamba_conv_bias=True,
        mamba_d_conv=4,
        mamba_d_head=8,
        mamba_d_ssm=48,
        mamba_d_state=12,
        mamba_expand=2,
        mamba_n_groups=1,
        mamba_n_heads=6,
        mamba_norm_before_gate=False,
        mamba_proj_bias=False,
        mamba_rms_norm=False,
        mamba_use_mlp=True,
        mlp_bias=False,
        mlp_expansion_factor=8,
        mlp_multipliers=[0.8, 0.6],
        num_logits_to_keep=1,
        pad_token_id=0,
        projectors_bias=False,
        rope_scaling=None,
        rope_theta=100000000000.0,
        ssm_in_multiplier=1.3,
        ssm_multipliers=[0.6, 1.4, 0.7, 1.2, 0.8],
        ssm_out_multiplier=0.7,
    )
    return [
        Case(
            "falcon_h1-multipliers",
            config,
            "Attention and Mamba side by side in each layer, with all the multipliers away from one; no norm in the mixer",
            draws=STATE,
            must_matter={
                "key": {"key_multiplier": 1.0},
                "ssm parts": {"ssm_multipliers": [1.0] * 5},
                "ssm in": {"ssm_in_multiplier": 1.0},
                "ssm out": {"ssm_out_multiplier": 1.0},
                "mlp": {"mlp_multipliers": [1.0, 1.0]},
                "attention in": {"attention_in_multiplier": 1.0},
                "attention out": {"attention_out_multiplier": 1.0},
                "head": {"lm_head_multiplier": 1.0},
                "embedding": {"embedding_multiplier": 1.0},
            },
        ),
        Case(
            "falcon_h1-norm",
            {
                **config,
                "mamba_n_groups": 2,
                "mamba_norm_before_gate": False,
                "mamba_rms_norm": True,
                "projectors_bias": True,
                "tie_word_embeddings": True,
                "torch_dtype": "float16",
            },
            "A gated norm in the mixer by two groups, biases on its projections, tied",
            "float16",
            draws=STATE,
            must_matter={"norm before gate": {"mamba_norm_before_gate": True}},
        ),
    ]


def lfm2_cases() -> list[Case]:
    config = tiny(
        "Lfm2ForCausalLM",
        "lfm2",
        **NO_RMS,
        block_auto_adjust_ff_dim=False,
        block_dim=32,
        block_ff_dim=48,
        block_ffn_dim_multiplier=1.0,
        block_mlp_init_scale=1.0,
        block_multiple_of=256,
        block_norm_eps=1e-5,
        block_out_init_scale=1.0,
        block_use_swiglu=True,
        block_use_xavier_init=True,
        conv_L_cache=3,
        conv_bias=False,
        conv_dim=32,
        conv_dim_out=32,
        conv_use_xavier_init=True,
        full_attn_idxs=[2],
        intermediate_size=ABSENT,
        norm_eps=1e-5,
        num_heads=4,
        num_hidden_layers=4,
        pad_token_id=0,
        rope_theta=1000000.0,
        tie_embedding=True,
        tie_word_embeddings=ABSENT,
        use_pos_enc=True,
    )
    return [
        Case(
            "lfm2-short-conv",
            config,
            "Gated short convolutions with one attention layer (full_attn_idxs), norms on queries and keys, block_ff_dim as it is",
            draws=CONVOLUTION,
        ),
        Case(
            "lfm2-adjusted",
            {
                **config,
                "block_auto_adjust_ff_dim": True,
                "block_ff_dim": 48,
                "block_ffn_dim_multiplier": 1.1,
                "block_multiple_of": 8,
                "conv_L_cache": 4,
                "conv_bias": True,
                "full_attn_idxs": [0],
                "num_hidden_layers": 2,
                "torch_dtype": "float16",
            },
            "The feed-forward size follows from two thirds of block_ff_dim, a multiplier and rounding up; convolutions with bias",
            "float16",
            draws=CONVOLUTION,
        ),
    ]


def lfm2_moe_case() -> Case:
    config = tiny(
        "Lfm2MoeForCausalLM",
        "lfm2_moe",
        **NO_RMS,
        conv_L_cache=3,
        conv_bias=False,
        intermediate_size=40,
        layer_types=["conv", "full_attention", "conv"],
        moe_intermediate_size=24,
        norm_eps=1e-5,
        norm_topk_prob=True,
        num_dense_layers=1,
        num_experts=6,
        num_experts_per_tok=2,
        num_hidden_layers=3,
        pad_token_id=0,
        rope_theta=1000000.0,
        routed_scaling_factor=1.5,
        tie_embedding=True,
        tie_word_embeddings=ABSENT,
        use_expert_bias=True,
    )
    return Case(
        "lfm2_moe-experts",
        config,
        "The first layer dense, then experts by corrected sigmoid scores that sum to one and are scaled",
        draws={**CONVOLUTION, r"expert_bias$": normal(0.3)},
        keep_float32=(r"expert_bias$",),
        must_matter={
            "experts per token": {"num_experts_per_tok": 3},
            "not renormalised": {"norm_topk_prob": False},
            "unscaled": {"routed_scaling_factor": 1.0},
        },
    )


def qwen3_next_cases() -> list[Case]:
    config = tiny(
        "Qwen3NextForCausalLM",
        "qwen3_next",
        attention_bias=False,
        decoder_sparse_step=1,
        full_attention_interval=2,
        head_dim=16,
        linear_conv_kernel_dim=4,
        linear_key_head_dim=8,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_value_head_dim=8,
        mlp_only_layers=[],
        moe_intermediate_size=16,
        norm_topk_prob=True,
        num_experts=4,
        num_experts_per_tok=2,
        num_key_value_heads=1,
        output_router_logits=False,
        partial_rotary_factor=0.25,
        rms_norm_eps=1e-6,
        rope_scaling=None,
        rope_theta=10000000,
        router_aux_loss_coef=0.001,
        shared_expert_intermediate_size=16,
    )
    draws = {
        **STATE,
        r"mlp\.gate\.weight$": normal(0.3),
        r"linear_attn\.norm\.weight$": uniform(0.5, 1.5),  # the gated norm is not stored minus one
    }
    return [
        Case(
            "qwen3_next-delta",
            config,
            "Gated delta rule and gated full attention in turn, grouped value heads, a quarter of the head rotated, experts"
            " with a shared one behind a gate, norms stored minus one except the gated norm",
            norm_offset=1.0,
            draws=draws,
            must_matter={"partial rotary": {"partial_rotary_factor": 0.5}, "normalised": {"norm_topk_prob": False}},
        ),
        Case(
            "qwen3_next-dense",
            {
                **config,
                "full_attention_interval": 4,
                "linear_num_value_heads": 2,
                "linear_value_head_dim": 12,
                "mlp_only_layers": [0, 1, 2, 3],
                "num_hidden_layers": 4,
                "tie_word_embeddings": True,
                "torch_dtype": "float16",
            },
            "Three recurrent layers to one of attention, all of them dense, one value head per key head of another size, tied",
            "float16",
            norm_offset=1.0,
            draws=draws,
        ),
    ]


def qwen3_5_cases() -> list[Case]:
    """Qwen 3 Next's layers with projections of their own; real files are wrapped in a model with a vision tower."""
    shared = dict(
        attention_bias=False,
        attn_output_gate=True,
        full_attention_interval=2,
        head_dim=16,
        layer_types=["linear_attention", "full_attention"],
        linear_conv_kernel_dim=4,
        linear_key_head_dim=8,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_value_head_dim=8,
        mamba_ssm_dtype="float32",
        mtp_num_hidden_layers=1,
        mtp_use_dedicated_embeddings=False,
        num_key_value_heads=1,
        rms_norm_eps=1e-6,
        rope_scaling=ABSENT,
        rope_theta=ABSENT,
        rope_parameters={
            "mrope_interleaved": True,
            "mrope_section": [1, 1, 0],
            "partial_rotary_factor": 0.25,
            "rope_theta": 10000000,
            "rope_type": "default",
        },
    )
    draws = {
        **STATE,
        r"mlp\.gate\.weight$": normal(0.3),
        r"linear_attn\.norm\.weight$": uniform(0.5, 1.5),
    }
    experts = dict(
        intermediate_size=ABSENT,
        moe_intermediate_size=16,
        num_experts=4,
        num_experts_per_tok=2,
        shared_expert_intermediate_size=16,
    )
    return [
        Case(
            "qwen3_5_text-dense",
            tiny("Qwen3_5ForCausalLM", "qwen3_5_text", **shared),
            "Gated delta rule with its projections apart, and gated full attention; dense",
            norm_offset=1.0,
            draws=draws,
        ),
        Case(
            "qwen3_5_moe_text-experts",
            tiny("Qwen3_5MoeForCausalLM", "qwen3_5_moe_text", **shared, **experts),
            "The same with experts, stored as one stack of gate and up",
            norm_offset=1.0,
            draws=draws,
        ),
    ]


def square(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    return 1.5 / np.sqrt(shape[1]) * rng.standard_normal(shape)


def recurrent_gemma_case() -> Case:
    config = tiny(
        "RecurrentGemmaForCausalLM",
        "recurrent_gemma",
        _block_types=["recurrent", "recurrent", "attention"],
        attention_bias=False,
        attention_window_size=6,
        block_types=["recurrent", "recurrent", "attention"],
        bos_token_id=2,
        conv1d_width=4,
        embeddings_scale_by_sqrt_dim=True,
        eos_token_id=1,
        final_w_init_variance_scale=0.66,
        head_dim=8,
        hidden_act=ABSENT,
        hidden_activation="gelu_pytorch_tanh",
        intermediate_size=96,
        logits_soft_cap=3.0,
        lru_width=32,
        max_position_embeddings=ABSENT,
        num_hidden_layers=3,
        num_key_value_heads=1,
        pad_token_id=0,
        partial_rotary_factor=0.5,
        rms_norm_eps=1e-6,
        tie_word_embeddings=ABSENT,
        w_init_variance_scale=0.01,
    )
    return Case(
        "recurrent_gemma-rglru",
        config,
        "Two RG-LRU layers to one of windowed attention (window 6, half rotary, one KV head), an embedding factor, a cap on"
        " the logits, norms minus one, tied by default",
        norm_offset=1.0,
        draws={
            r"embed_tokens\.weight$": uniform(-0.3, 0.3),
            r"recurrent_param$": uniform(-4.0, 0.5),
            r"gate_weight$": square,
            **CONVOLUTION,
        },
        must_matter={"window": {"attention_window_size": 64}, "cap": {"logits_soft_cap": 1000.0}},
    )


def cases() -> list[Case]:
    return [
        *mamba2_cases(),
        *falcon_h1_cases(),
        *lfm2_cases(), lfm2_moe_case(),
        *qwen3_next_cases(),
        *qwen3_5_cases(),
        recurrent_gemma_case(),
    ]
