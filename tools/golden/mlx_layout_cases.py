"""The core families as mlx-lm stores them: renamed, stacked, split, transposed. Same wants as the hub's layout, other tensors."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import dense_families
import expert_families
import packed_cases
import recurrent_families
from case import Case, Shape, merged
from mlx_cases import MlxCase, affine, whole

TURNS = ["recurrent", "attention"]


def based_on(name: str, about: str, edits: dict[str, Any] | None = None, **changes: Any) -> Case:
    """A hub case under another name; its proofs that options matter stay with the hub's."""
    families = (dense_families, expert_families, recurrent_families)
    found = next(case for family in families for case in family.cases() if case.name == name)
    draws = {**changes.pop("draws", {}), **found.draws}
    config = merged(found.config, edits or {})
    fields = {"must_matter": {}, "must_not_matter": {}, "decoys": {}, "note": "", **changes}
    short = f"mlx-{found.config['model_type']}"
    return dataclasses.replace(found, name=short, about=about, config=config, draws=draws, **fields)


def sixteenths(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Norm weights minus one on a grid that bfloat16 holds exactly with and without the one."""
    return rng.integers(-9, 9, shape) / 16.0


def cases() -> list[MlxCase]:
    short_moe = {"moe_intermediate_size": 16, "num_hidden_layers": 1, "first_k_dense_replace": 0}
    powers = {
        "attention_in_multiplier": 1.0,
        "attention_out_multiplier": 0.5,
        "embedding_multiplier": 2.0,
        "key_multiplier": 0.5,
        "lm_head_multiplier": 0.5,
        "mlp_multipliers": [0.5, 2.0],
        "num_hidden_layers": 1,
        "ssm_in_multiplier": 2.0,
        "ssm_multipliers": [0.5, 2.0, 0.5, 2.0, 1.0],
        "ssm_out_multiplier": 0.5,
    }
    norms = {r"(layernorm|q_norm|k_norm|model\.norm)\.weight$": sixteenths}
    stacked = "Experts stacked under switch_mlp"
    deepseek = {
        "kv_lora_rank": 32,
        "qk_nope_head_dim": 32,
        "v_head_dim": 32,
        "num_attention_heads": 2,
        "q_lora_rank": 32,
    }
    return [
        MlxCase(
            based_on("mixtral-top2", f"{stacked}, w1, w3, w2 renamed to gate, up, down", {"num_hidden_layers": 1}), None
        ),
        MlxCase(
            based_on(
                "qwen2_moe-shared",
                f"{stacked}, the shared expert beside them",
                {"mlp_only_layers": [], "num_hidden_layers": 1},
            ),
            None,
        ),
        MlxCase(
            based_on("granitemoe-fused", f"{stacked}, input_linear split into gate and up", {"num_hidden_layers": 1}),
            None,
        ),
        MlxCase(
            based_on(
                "deepseek_v2-lite",
                f"{stacked}; kv_b_proj stays whole in this family",
                {**short_moe, "n_routed_experts": 4},
            ),
            None,
        ),
        MlxCase(
            based_on(
                "deepseek_v3-groups",
                "kv_b_proj split into embed_q and unembed_out, one matrix per head, quantised as all the rest is (4-bit,"
                " group 32); the correction bias stays float32",
                {
                    **short_moe,
                    **deepseek,
                    "moe_intermediate_size": 32,
                    "num_key_value_heads": 2,
                    "intermediate_size": 64,
                },
            ),
            affine(4, 32),
        ),
        MlxCase(based_on("glm4_moe-qk-norm", stacked, short_moe), None),
        MlxCase(based_on("minimax_m2-partial", f"{stacked}, w1, w3, w2 renamed", {"num_hidden_layers": 1}), None),
        MlxCase(
            based_on("gpt2-hub", "Linear weights turned to [out, in], 'model.' before every name", {"n_layer": 1}), None
        ),
        MlxCase(
            based_on(
                "gpt_neox-parallel",
                "Layers named 'model.h', the head 'model.embed_out'",
                {"intermediate_size": 128, "num_hidden_layers": 1},
            ),
            None,
        ),
        MlxCase(based_on("lfm2-adjusted", "Convolution weights as [channels, width, 1]"), None),
        MlxCase(
            based_on(
                "mamba2-groups",
                "Convolution weights as [channels, width, 1]",
                {"intermediate_size": 64, "n_groups": 1, "num_hidden_layers": 1},
            ),
            None,
        ),
        MlxCase(
            based_on(
                "recurrent_gemma-rglru",
                "Convolution weights as [channels, width, 1]; norms stay minus one",
                {"_block_types": TURNS, "block_types": TURNS, "num_hidden_layers": 2},
            ),
            None,
        ),
        MlxCase(
            based_on(
                "gpt_oss-bf16",
                "Experts' gate and up drawn apart from alternating rows, mxfp4 words and scales under .weight and .scales; the"
                " rest bfloat16",
                note="mlx-lm reads neither swiglu_limit (it takes 7.0) nor truncate: false, so that it does not agree.",
            ),
            whole("mxfp4"),
            mlx_cannot_run=True,
            prepare=packed_cases.write_packed("gpt_oss-mxfp4"),
        ),
        MlxCase(
            based_on(
                "qwen3_next-delta",
                "One already added to every norm but the gated one, convolution weights as [channels, width, 1], experts stacked",
                draws=norms,
            ),
            None,
        ),
        MlxCase(
            based_on(
                "falcon_h1-multipliers",
                "Multipliers already in the weights, except key_multiplier, which has still to be applied",
                powers,
                note="The reference is Transformers on the hub's weights. mlx-lm itself leaves key_multiplier out (its"
                " conversion looks for key_proj, which no checkpoint has), so that it does not agree.",
            ),
            None,
            mlx_cannot_run=True,
        ),
    ]
