"""How mlx-lm renames and transforms a family's tensors at conversion, undone: from its layout back to the hub's."""

from __future__ import annotations

import re
from typing import Any, Callable

import numpy as np

Tensors = dict[str, np.ndarray]


def hub_layout(config: dict[str, Any], tensors: Tensors) -> Tensors:
    """All inverses that apply; one that finds nothing to do returns what it got."""
    undo = [join_gate_up, split_experts, join_latent, move_convolutions]
    return apply([*undo, *BY_FAMILY.get(config["model_type"], [])], config, tensors)


def apply(
    steps: list[Callable[[dict[str, Any], Tensors], Tensors]], config: dict[str, Any], tensors: Tensors
) -> Tensors:
    for step in steps:
        tensors = step(config, tensors)
    return tensors


def join_gate_up(config: dict[str, Any], tensors: Tensors) -> Tensors:
    """granitemoe: gate and up were one input_linear."""
    if config["model_type"] != "granitemoe":
        return tensors
    out: Tensors = {}
    for name, values in tensors.items():
        if name.endswith("switch_mlp.gate_proj.weight"):
            fused = [values, tensors[name.replace("gate_proj", "up_proj")]]
            out[name.replace("switch_mlp.gate_proj", "input_linear")] = np.concatenate(fused, axis=1)
        elif name.endswith("switch_mlp.down_proj.weight"):
            out[name.replace("switch_mlp.down_proj", "output_linear")] = values
        elif ".switch_mlp." not in name:
            out[name] = values
    return out


def split_experts(config: dict[str, Any], tensors: Tensors) -> Tensors:
    """switch_mlp.gate_proj [E, ...] -> experts.N.gate_proj, or w1, w2, w3 where the family says so."""
    letters = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"} if "block_sparse_moe" in "".join(tensors) else {}
    out: Tensors = {}
    for name, values in tensors.items():
        if found := re.match(r"(.*)\.switch_mlp\.(\w+)\.weight$", name):
            for expert in range(values.shape[0]):
                out[f"{found[1]}.experts.{expert}.{letters.get(found[2], found[2])}.weight"] = values[expert].copy()
        else:
            out[name] = values
    return out


def join_latent(_: dict[str, Any], tensors: Tensors) -> Tensors:
    """deepseek_v3: embed_q [heads, rank, nope] and unembed_out [heads, value, rank] were one kv_b_proj."""
    out: Tensors = {}
    for name, values in tensors.items():
        if name.endswith(".embed_q.weight"):
            value = tensors[name.replace("embed_q", "unembed_out")]
            both = np.concatenate([values.swapaxes(1, 2), value], axis=1)
            out[name.replace("embed_q", "kv_b_proj")] = both.reshape(-1, both.shape[-1])
        elif not name.endswith(".unembed_out.weight"):
            out[name] = values
    return out


def move_convolutions(_: dict[str, Any], tensors: Tensors) -> Tensors:
    """[channels, width, 1] -> [channels, 1, width]."""
    convolution = re.compile(r"(conv1d|conv_1d|conv\.conv)\.weight$")
    return {
        name: np.ascontiguousarray(values.swapaxes(1, 2)) if convolution.search(name) else values
        for name, values in tensors.items()
    }


def norms_minus_one(_: dict[str, Any], tensors: Tensors) -> Tensors:
    """qwen3_next: one was added to every norm but the gated one."""
    norm = re.compile(r"(layernorm|q_norm|k_norm|model\.norm)\.weight$")
    return {name: values - 1 if norm.search(name) else values for name, values in tensors.items()}


def transpose_linears(_: dict[str, Any], tensors: Tensors) -> Tensors:
    """gpt2: a prefix was added, the transposed weights turned."""
    linear = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")
    return {
        name.removeprefix("model."): np.ascontiguousarray(values.T) if linear.search(name) else values
        for name, values in tensors.items()
    }


def rename_neox(_: dict[str, Any], tensors: Tensors) -> Tensors:
    """gpt_neox: layers are 'model.h', and the head lies inside the model."""
    renames = (("model.embed_out.", "embed_out."), ("model.h.", "gpt_neox.layers."), ("model.", "gpt_neox."))

    def back(name: str) -> str:
        return next((new + name.removeprefix(old) for old, new in renames if name.startswith(old)), name)

    return {back(name): values for name, values in tensors.items()}


def fold_out_multipliers(config: dict[str, Any], tensors: Tensors) -> Tensors:
    """falcon_h1: multipliers went into the weights; the key's own did not, nor did the attention's for values."""
    inner, groups = config["mamba_d_ssm"], config["mamba_n_groups"] * config["mamba_d_state"]
    sizes = (inner, inner, groups, groups, config["mamba_n_heads"])
    in_proj = config["ssm_in_multiplier"] * np.repeat(config["ssm_multipliers"], sizes)[:, None]
    factors = {
        "embed_tokens": config["embedding_multiplier"],
        "lm_head": config["lm_head_multiplier"],
        "q_proj": config["attention_in_multiplier"],
        "k_proj": config["attention_in_multiplier"],
        "o_proj": config["attention_out_multiplier"],
        "out_proj": config["ssm_out_multiplier"],
        "gate_proj": config["mlp_multipliers"][0],
        "down_proj": config["mlp_multipliers"][1],
        "in_proj": in_proj,
    }
    return {name: values / factors.get(name.split(".")[-2], 1.0) for name, values in tensors.items()}


def interleave_gpt_oss(_: dict[str, Any], tensors: Tensors) -> Tensors:
    """gpt_oss: gate and up alternated in one matrix stored [E, in, out]; their biases likewise."""
    out: Tensors = {}
    for name, values in tensors.items():
        if found := re.match(r"(.*\.experts)\.gate_proj\.(weight|bias)$", name):
            up = tensors[f"{found[1]}.up_proj.{found[2]}"]
            both = np.stack([values, up], axis=2).reshape(values.shape[0], -1, *values.shape[2:])
            if found[2] == "weight":
                out[f"{found[1]}.gate_up_proj"] = np.ascontiguousarray(both.swapaxes(1, 2))
            else:
                out[f"{found[1]}.gate_up_proj_bias"] = both
        elif found := re.match(r"(.*\.experts)\.down_proj\.(weight|bias)$", name):
            if found[2] == "weight":
                out[f"{found[1]}.down_proj"] = np.ascontiguousarray(values.swapaxes(1, 2))
            else:
                out[f"{found[1]}.down_proj_bias"] = values
        elif ".experts.up_proj." not in name:
            out[name] = values
    return out


BY_FAMILY = {
    "qwen3_next": [norms_minus_one],
    "gpt2": [transpose_linears],
    "gpt_neox": [rename_neox],
    "falcon_h1": [fold_out_multipliers],
    "gpt_oss": [interleave_gpt_oss],
}
