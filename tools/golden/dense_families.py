"""Core families without experts: gemma, phi, stablelm, starcoder2, gpt2, gpt_neox, falcon, cohere, olmo2, granite, glm4, ..."""

from __future__ import annotations


from case import ABSENT, Case, uniform
from tiny import NO_RMS, tiny

SMALL_EMBEDDING = {r"embed_tokens\.weight$": uniform(-0.3, 0.3)}


def gemma_cases() -> list[Case]:
    gemma = {
        "attention_bias": False,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "tie_word_embeddings": ABSENT,
        "rms_norm_eps": 1e-6,
    }
    return [
        Case(
            "gemma-gelu",
            tiny(
                "GemmaForCausalLM",
                "gemma",
                **gemma,
                head_dim=12,
                hidden_act="gelu",
                hidden_activation=None,
                num_key_value_heads=1,
                rope_scaling=None,
            ),
            "hidden_act 'gelu' that means the tanh form, one KV head, embedding times sqrt(hidden), norms minus one, tied by default",
            norm_offset=1.0,
            draws=SMALL_EMBEDDING,
        ),
        Case(
            "gemma2-caps",
            tiny(
                "Gemma2ForCausalLM",
                "gemma2",
                **gemma,
                attn_logit_softcapping=1.5,
                cache_implementation="hybrid",
                final_logit_softcapping=3.0,
                head_dim=12,
                hidden_act="gelu_pytorch_tanh",
                hidden_activation="gelu_pytorch_tanh",
                query_pre_attn_scalar=6,
                sliding_window=6,
                torch_dtype="float32",
            ),
            "Caps on attention and final logits, a window of 6 on every other layer (the first has it), four norms to a layer",
            "float32",
            norm_offset=1.0,
            draws=SMALL_EMBEDDING,
            must_matter={
                "attention cap": {"attn_logit_softcapping": None},
                "final cap": {"final_logit_softcapping": None},
                "window": {"sliding_window": 64},
                "which layers": {"layer_types": ["full_attention", "sliding_attention"]},
                "attention scale": {"query_pre_attn_scalar": 12},
            },
        ),
    ]


def bitnet_case() -> Case:
    return Case(
        "bitnet-sub-norms",
        tiny(
            "BitNetForCausalLM",
            "bitnet",
            attention_bias=False,
            hidden_act="relu2",
            intermediate_size=64,
            pad_token_id=0,
            rms_norm_eps=1e-5,
            rope_theta=500000.0,
            tie_word_embeddings=True,
        ),
        "A norm before each layer's two last projections, a squared relu gate, tied embeddings; weights not yet ternary",
        must_matter={"activation": {"hidden_act": "silu"}, "rotary base": {"rope_theta": 100.0}},
    )


def parallel_cases() -> list[Case]:
    """Parallel blocks, layer norms with bias, partial rotary, learned positions."""
    phi = {
        **NO_RMS,
        "embd_pdrop": 0.0,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-5,
        "partial_rotary_factor": 0.5,
        "qk_layernorm": False,
        "resid_pdrop": 0.1,
        "rope_scaling": None,
    }
    stablelm = {**NO_RMS, "layer_norm_eps": 1e-5, "num_attention_heads": 2, "partial_rotary_factor": 0.25}
    neox = {
        **NO_RMS,
        "attention_bias": True,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "num_attention_heads": 2,
        "num_key_value_heads": ABSENT,
        "rope_theta": ABSENT,
        "rotary_emb_base": 1000,
        "rotary_pct": 0.25,
    }
    return [
        Case(
            "phi-parallel",
            tiny("PhiForCausalLM", "phi", **phi, num_key_value_heads=4, torch_dtype="float16"),
            "Attention and feed-forward side by side after one layer norm, biases everywhere (the head's too), half rotary",
            "float16",
            must_matter={"partial rotary": {"partial_rotary_factor": 1.0}, "activation": {"hidden_act": "relu"}},
        ),
        Case(
            "phi-qk-norm",
            tiny("PhiForCausalLM", "phi", **{**phi, "qk_layernorm": True}, num_key_value_heads=2),
            "qk_layernorm: layer norms with bias on each head's queries and keys; grouped keys",
        ),
        Case(
            "phi-tied",
            tiny("PhiForCausalLM", "phi", **{**phi, "hidden_act": "gelu_python_tanh"}, tie_word_embeddings=True),
            "A tied head that has a bias of its own; the tanh form of GELU under another name",
            may_sleep=(r"k_proj\.bias$",),
        ),
        Case(
            "stablelm-sequential",
            tiny("StableLmForCausalLM", "stablelm", **stablelm, use_qkv_bias=True, num_key_value_heads=2),
            "Layer norms with bias, biases on q, k, v, a quarter of each head rotated",
            must_matter={"partial rotary": {"partial_rotary_factor": 0.5}},
        ),
        Case(
            "stablelm-parallel",
            tiny(
                "StableLmForCausalLM",
                "stablelm",
                **stablelm,
                num_key_value_heads=1,
                qk_layernorm=True,
                use_parallel_residual=True,
                use_qkv_bias=False,
            ),
            "Parallel residual with one norm; a layer norm per head, without bias, on queries and keys (StableLM 2 12B)",
        ),
        Case(
            "starcoder2-window",
            tiny(
                "Starcoder2ForCausalLM",
                "starcoder2",
                **NO_RMS,
                embedding_dropout=0.1,
                hidden_act="gelu_pytorch_tanh",
                mlp_type="default",
                norm_epsilon=1e-5,
                norm_type="layer_norm",
                residual_dropout=0.1,
                rope_theta=100000.0,
                sliding_window=7,
                tie_word_embeddings=ABSENT,
                use_bias=True,
            ),
            "Layer norms, c_fc and c_proj, biases everywhere, a window of 7, tied by default",
            must_matter={"window": {"sliding_window": None}},
        ),
        Case(
            "gpt_neox-parallel",
            tiny("GPTNeoXForCausalLM", "gpt_neox", **neox, use_parallel_residual=True, torch_dtype="float16"),
            "q, k, v interleaved per head, parallel residual with two norms, rotary_pct and rotary_emb_base, embed_out",
            "float16",
            must_matter={"parallel": {"use_parallel_residual": False}, "base": {"rotary_emb_base": 100000}},
        ),
        Case(
            "gpt_neox-sequential",
            tiny("GPTNeoXForCausalLM", "gpt_neox", **{**neox, "rotary_pct": 1.0}, use_parallel_residual=False),
            "Sequential residual, rotary on the whole head",
        ),
        *gpt2_cases(),
        *falcon_cases(),
    ]


def gpt2_cases() -> list[Case]:
    config = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": 1,
        "embd_pdrop": 0.1,
        "eos_token_id": 2,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": 44,
        "n_embd": 32,
        "n_head": 4,
        "n_layer": 2,
        "n_positions": 44,
        "resid_pdrop": 0.1,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "vocab_size": 64,
    }
    draws = {r"(c_attn|c_fc|c_proj)\.weight$": lambda shape, rng: 1.3 / shape[0] ** 0.5 * rng.standard_normal(shape)}
    return [
        Case(
            "gpt2-hub",
            config,
            "As the first GPT-2 lies on the hub: no 'transformer.' before the names, causal masks among the tensors; learned"
            " positions, weights stored transposed, tied head",
            "float16",
            draws=draws,
            rename={r"^transformer\.": ""},
            decoys={"h.0.attn.bias": (1, 1, 44, 44), "h.1.attn.bias": (1, 1, 44, 44)},
        ),
        Case(
            "gpt2-scaled",
            {
                **config,
                "activation_function": "relu",
                "n_inner": 40,
                "scale_attn_by_inverse_layer_idx": True,
                "scale_attn_weights": True,
                "torch_dtype": "bfloat16",
            },
            "Names with 'transformer.', n_inner, scores divided by the layer's number as well, another activation",
            draws=draws,
            must_matter={
                "inverse layer scale": {"scale_attn_by_inverse_layer_idx": False},
                "activation": {"activation_function": "gelu_new"},
            },
        ),
    ]


def falcon_cases() -> list[Case]:
    config = {
        "alibi": False,
        "apply_residual_connection_post_layernorm": False,
        "architectures": ["FalconForCausalLM"],
        "attention_dropout": 0.0,
        "bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_dropout": 0.0,
        "hidden_size": 32,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "falcon",
        "multi_query": True,
        "new_decoder_architecture": False,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "parallel_attn": True,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.27.4",
        "use_cache": True,
        "vocab_size": 64,
    }
    new = {"new_decoder_architecture": True, "num_kv_heads": 2, "ffn_hidden_size": 64}
    return [
        Case(
            "falcon-multiquery",
            config,
            "7B's layout: all queries, then one key and one value; parallel, one norm, tied",
        ),
        Case(
            "falcon-grouped",
            {**config, **new, "torch_dtype": "float16"},
            "40B's layout: per KV head its queries, a key, a value; parallel with two norms (ln_attn, ln_mlp)",
            "float16",
        ),
        Case(
            "falcon-grouped-one-norm",
            {**config, **new, "num_ln_in_parallel_attn": 1, "rope_theta": 500042.0, "rope_scaling": None},
            "11B's layout: grouped, but one norm for both branches; a rotary base",
        ),
        Case(
            "falcon-interleaved",
            {**config, "bias": True, "multi_query": False, "parallel_attn": False, "ffn_hidden_size": 64},
            "q, k, v interleaved per head, sequential blocks with two norms, biases",
        ),
        Case(
            "falcon-alibi",
            {
                **config,
                "alibi": True,
                "bias": True,
                "multi_query": False,
                "parallel_attn": False,
                "ffn_hidden_size": 64,
            },
            "falcon-rw: position by a slope on the scores (ALiBi), scaled with them",
            must_matter={"alibi": {"alibi": False}},
            note="The reference attends by torch's scaled_dot_product_attention: Transformers' eager path adds the slopes twice.",
        ),
    ]


def cohere_cases() -> list[Case]:
    cohere = {
        **NO_RMS,
        "attention_bias": False,
        "layer_norm_eps": 1e-5,
        "logit_scale": 0.25,
        "pad_token_id": 0,
        "tie_word_embeddings": ABSENT,
    }
    return [
        Case(
            "cohere-plain",
            tiny("CohereForCausalLM", "cohere", **cohere, use_qk_norm=False, torch_dtype="float16"),
            "Parallel block after one layer norm without bias, interleaved rotary, logit_scale, tied by default",
            "float16",
            must_matter={"logit scale": {"logit_scale": 1.0}},
        ),
        Case(
            "cohere-qk-norm",
            tiny("CohereForCausalLM", "cohere", **cohere, use_qk_norm=True, rope_theta=75000000.0),
            "A layer norm of its own for every head of queries and keys (weights [heads, head size])",
        ),
        Case(
            "cohere2-windows",
            tiny(
                "Cohere2ForCausalLM",
                "cohere2",
                **cohere,
                head_dim=8,
                num_hidden_layers=4,
                order_of_interleaved_layers="local_attn_first",
                position_embedding_type="rope_gptj",
                rope_scaling=None,
                rotary_pct=1.0,
                sliding_window=6,
                sliding_window_pattern=4,
                use_embedding_sharing=True,
                use_gated_activation=True,
                use_parallel_block=True,
                use_parallel_embedding=False,
            ),
            "Three windowed layers with interleaved rotary to one full layer without any",
            must_matter={"window": {"sliding_window": 64}, "pattern": {"sliding_window_pattern": 2}},
        ),
    ]


def dense_cases() -> list[Case]:
    return [
        Case(
            "olmo2-post-norm",
            tiny(
                "Olmo2ForCausalLM",
                "olmo2",
                attention_bias=False,
                pad_token_id=1,
                bos_token_id=ABSENT,
                rope_theta=500000,
            ),
            "Norms after each block only; one norm over all heads' queries, one over all keys",
        ),
        Case(
            "granite-multipliers",
            tiny(
                "GraniteForCausalLM",
                "granite",
                attention_bias=False,
                attention_multiplier=0.2,
                embedding_multiplier=5.0,
                logits_scaling=4.0,
                mlp_bias=False,
                residual_multiplier=0.5,
                rope_scaling=None,
                tie_word_embeddings=True,
                torch_dtype="float32",
            ),
            "Multipliers on embedding, attention scores, residual branches; logits divided; tied",
            "float32",
            must_matter={
                "attention": {"attention_multiplier": 0.35},
                "embedding": {"embedding_multiplier": 1.0},
                "residual": {"residual_multiplier": 1.0},
                "logits": {"logits_scaling": 1.0},
            },
        ),
        Case(
            "granite-biases",
            tiny(
                "GraniteForCausalLM",
                "granite",
                attention_bias=True,
                attention_multiplier=0.5,
                mlp_bias=True,
                logits_scaling=2.0,
                rope_theta=ABSENT,
            ),
            "Biases in attention and feed-forward, own head, some multipliers left at one by their absence",
        ),
        Case(
            "glm4-sandwich",
            tiny(
                "Glm4ForCausalLM",
                "glm4",
                attention_bias=True,
                head_dim=16,
                eos_token_id=[2, 3],
                pad_token_id=2,
                partial_rotary_factor=0.5,
            ),
            "Norms before and after both blocks, fused gate and up, interleaved rotary on half a head, biases on q, k, v only",
            must_matter={"partial rotary": {"partial_rotary_factor": 1.0}},
        ),
        Case(
            "smollm3-no-rotary",
            tiny(
                "SmolLM3ForCausalLM",
                "smollm3",
                attention_bias=False,
                layer_types=["full_attention"] * 4,
                max_window_layers=28,
                mlp_bias=False,
                no_rope_layer_interval=4,
                no_rope_layers=[1, 1, 1, 0],
                num_hidden_layers=4,
                pad_token_id=2,
                pretraining_tp=2,
                rope_scaling=None,
                rope_theta=5000.0,
                sliding_window=None,
                tie_word_embeddings=ABSENT,
                use_sliding_window=False,
            ),
            "Every fourth layer without rotary (a zero in no_rope_layers), tied by default",
            must_matter={"which layers": {"no_rope_layers": [0, 1, 1, 1]}},
        ),
        Case(
            "smollm3-windows",
            tiny(
                "SmolLM3ForCausalLM",
                "smollm3",
                no_rope_layer_interval=2,
                pad_token_id=0,
                rope_theta=5000.0,
                sliding_window=6,
                use_sliding_window=True,
            ),
            "A window on the layers without rotary, which an interval places",
            must_matter={"window": {"sliding_window": 64}, "switch": {"use_sliding_window": False}},
        ),
        *exaone4_cases(),
        Case(
            "ernie4_5-interleaved",
            tiny(
                "Ernie4_5ForCausalLM",
                "ernie4_5",
                head_dim=12,
                pad_token_id=0,
                rope_scaling=None,
                rope_theta=500000.0,
                tie_word_embeddings=True,
                use_bias=False,
            ),
            "Interleaved rotary, head size of its own, tied",
        ),
        Case(
            "ernie4_5-biases",
            tiny(
                "Ernie4_5ForCausalLM", "ernie4_5", head_dim=8, use_bias=True, rope_theta=ABSENT, torch_dtype="float16"
            ),
            "use_bias on every projection, own head, the family's default rotary base (5e5)",
            "float16",
            must_matter={"base": {"rope_theta": 10000.0}},
        ),
        *hunyuan_cases(),
    ]


def exaone4_cases() -> list[Case]:
    llama3 = {
        "factor": 16.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 32,
        "rope_type": "llama3",
    }
    return [
        Case(
            "exaone4-hybrid",
            tiny(
                "Exaone4ForCausalLM",
                "exaone4",
                head_dim=8,
                layer_types=["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
                num_hidden_layers=4,
                pad_token_id=0,
                rope_scaling=llama3,
                rope_theta=1000,
                sliding_window=6,
                sliding_window_pattern="LLLG",
            ),
            "Norms after each block, norms on each head's queries and keys; windowed layers rotate, full ones do not; the"
            " pattern is the text LLLG",
            must_matter={"window": {"sliding_window": 64}, "scaling": {"rope_scaling": None}},
        ),
        Case(
            "exaone4-full",
            tiny(
                "Exaone4ForCausalLM",
                "exaone4",
                head_dim=8,
                layer_types=["full_attention", "full_attention"],
                rope_scaling=None,
                rope_theta=1000000,
                sliding_window=None,
                sliding_window_pattern=None,
                tie_word_embeddings=True,
                torch_dtype="float16",
            ),
            "The small model: no window, and then every layer rotates; tied",
            "float16",
        ),
    ]


def hunyuan_cases() -> list[Case]:
    dynamic = {
        "alpha": 50.0,
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "type": "dynamic",
    }
    return [
        Case(
            "hunyuan_v1_dense-alpha",
            tiny(
                "HunYuanDenseV1ForCausalLM",
                "hunyuan_v1_dense",
                attention_bias=False,
                attention_head_dim=16,
                eod_token_id=3,
                head_dim=16,
                org_vocab_size=64,
                pad_token_id=0,
                rope_scaling=dynamic,
                tie_word_embeddings=True,
                use_cla=False,
                use_qk_norm=True,
            ),
            "Queries and keys normed after rotary, a base enlarged by alpha, tied",
            must_matter={"alpha": {"rope_scaling": {**dynamic, "alpha": 1000.0}}},
        ),
        Case(
            "hunyuan_v1_dense-plain",
            tiny(
                "HunYuanDenseV1ForCausalLM",
                "hunyuan_v1_dense",
                attention_bias=True,
                head_dim=8,
                rope_scaling=None,
                torch_dtype="float16",
            ),
            "No scaling, attention biases, own head",
            "float16",
        ),
    ]


def cases() -> list[Case]:
    return [*gemma_cases(), *parallel_cases(), *cohere_cases(), *dense_cases(), bitnet_case()]
