"""Draws the weights of a tiny model so that every one of them shows in the logits."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import torch

from case import Case

STORED = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def rng_for(case: Case, attempt: int, name: str) -> np.random.Generator:
    """One stream per tensor, so that a new tensor never shifts the others."""
    key = f"{case.name}/{case.seed + attempt}/{name}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key).digest()[:8], "little"))


def _draw_norm(name: str, shape: tuple[int, ...], rng: np.random.Generator, offset: float) -> np.ndarray:
    """Away from one, some negative; half of the final norm's are negative, so that a tied head does not echo."""
    weight = rng.uniform(0.5, 1.5, shape)
    final = not re.search(r"\.\d+\.", name)
    weight[rng.random(shape) < (0.5 if final else 0.1)] *= -1.0
    return weight - offset


def draw(case: Case, name: str, owner: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """The values of one parameter. `owner` is the class name of the module that holds it."""
    for pattern, function in case.draws.items():
        if re.search(pattern, name):
            return function(shape, rng)
    if name.endswith("k_proj.bias"):  # softmax forgets what all keys share: only a large one shows
        return rng.standard_normal(shape)
    if name.endswith("bias"):
        return 0.25 * rng.standard_normal(shape)
    if "Norm" in owner:
        return _draw_norm(name, shape, rng, case.norm_offset)
    if "Embedding" in owner:
        return rng.standard_normal(shape)
    if len(shape) < 2:
        raise ValueError(f"{case.name}: {name} of shape {shape} in {owner} needs an entry in `draws`")
    # Queries and keys are larger, so that attention is far from uniform; routers too, so that gaps are wide.
    gain = 1.2
    if re.search(r"(q_proj|k_proj|qkv_proj|q_b_proj|query_key_value|Wqkv|c_attn)\.weight$", name):
        gain = 1.7
    elif re.search(r"(mlp|block_sparse_moe|feed_forward)\.(gate|router)(\.wg|\.layer)?\.weight$", name):
        gain = 2.5
    return gain / np.sqrt(shape[-1]) * rng.standard_normal(shape)


@torch.no_grad()
def fill(model: torch.nn.Module, case: Case, attempt: int) -> None:
    """Overwrites every floating tensor of the model's state, rounded to the dtype it will be stored in."""
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if tensor.data_ptr() in seen or not tensor.is_floating_point():
            continue
        seen.add(tensor.data_ptr())  # a tied head is the same storage: the first name wins
        owner = type(model.get_submodule(name.rpartition(".")[0])).__name__
        values = draw(case, name, owner, tuple(tensor.shape), rng_for(case, attempt, name))
        rounded = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(stored_dtype(case, name))
        tensor.copy_(rounded.to(tensor.dtype))


def stored_dtype(case: Case, name: str) -> torch.dtype:
    kept = any(re.search(pattern, name) for pattern in case.keep_float32)
    return torch.float32 if kept else STORED[case.dtype]
