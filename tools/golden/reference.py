"""Runs a checkpoint directory in Transformers, float32, no cache; and measures how safe its answers are."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

from case import Case


def attention_of(config: dict[str, Any]) -> str:
    """Transformers 5.23 adds ALiBi's slopes twice in its eager path: once in the mask, once to the scores."""
    return "sdpa" if config.get("alibi") else "eager"


def reference_of(config: dict[str, Any]) -> str:
    return f"transformers {transformers.__version__}, float32, {attention_of(config)} attention, full forward without a cache"


@contextlib.contextmanager
def directory_with(config: dict[str, Any], weights: Path) -> Iterator[Path]:
    """A scratch checkpoint: this config beside those weights."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (scratch / "config.json").write_text(json.dumps(config))
        shutil.copy(weights, scratch / "model.safetensors")
        yield scratch


def load(config: dict[str, Any], weights: Path) -> torch.nn.Module:
    """Loads as a user would; anything missing, unexpected or of another shape is an error."""
    with directory_with(config, weights) as folder:
        model, info = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation=attention_of(config),
            experts_implementation="eager",
            output_loading_info=True,
        )
    wrong = {key: value for key, value in info.items() if value}
    if wrong:
        raise ValueError(f"{config['model_type']}: the checkpoint does not load cleanly: {wrong}")
    return model.eval()


@torch.no_grad()
def logits_of(model: torch.nn.Module, ids: list[int]) -> np.ndarray:
    """[T, V] float32."""
    out = model(input_ids=torch.tensor([ids]), use_cache=False)
    return out.logits[0].float().numpy().copy()


class RouterGaps:
    """Watches every top-k while active and keeps the smallest gap between the last chosen and the first left out."""

    def __init__(self) -> None:
        self.smallest: float | None = None

    def _see(self, scores: torch.Tensor, k: int) -> None:
        if k >= scores.shape[-1]:
            return
        ordered = scores.detach().float().sort(dim=-1, descending=True).values
        gap = float((ordered[..., k - 1] - ordered[..., k]).min())
        self.smallest = gap if self.smallest is None else min(self.smallest, gap)

    def __enter__(self) -> "RouterGaps":
        self._function, self._method = torch.topk, torch.Tensor.topk

        def watched(scores: torch.Tensor, k: int, *args: Any, **kwargs: Any) -> Any:
            self._see(scores, k)
            return self._function(scores, k, *args, **kwargs)

        torch.topk = watched
        torch.Tensor.topk = watched
        return self

    def __exit__(self, *_: object) -> None:
        torch.topk, torch.Tensor.topk = self._function, self._method


def greedy(model: torch.nn.Module, prompt: list[int], count: int) -> tuple[list[int], float]:
    """Greedy ids and the smallest margin between the best and the second logit."""
    ids, margin = list(prompt), float("inf")
    for _ in range(count):
        last = logits_of(model, ids)[-1]
        second, best = np.argsort(last)[-2:]
        margin = min(margin, float(last[best] - last[second]))
        ids.append(int(best))
    return ids[len(prompt) :], margin


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values.astype(np.float64)))))


def double_error(model: torch.nn.Module, ids: list[int], logits: np.ndarray) -> float | None:
    """RMS distance to the same model in float64: the reference's own rounding. None where the model forces float32."""
    try:
        wide = copy.deepcopy(model).double()
        return rms(logits_of(wide, ids) - logits)
    except RuntimeError:
        return None


def _pieces(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """A stack of experts counts one by one: an expert that no token reaches proves nothing."""
    if tensor.dim() >= 3 and "experts" in name:
        for index in range(tensor.shape[0]):
            yield f"{name}[{index}]", tensor[index]
    else:
        yield name, tensor


@torch.no_grad()
def weakest_weight(model: torch.nn.Module, case: Case, ids: list[int], logits: np.ndarray) -> tuple[str, float]:
    """Disturbs each parameter by a quarter of its size; the one that moves the logits least, relative to their RMS."""
    weakest, scale = ("", float("inf")), rms(logits)
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if tensor.data_ptr() in seen or not tensor.is_floating_point():
            continue
        seen.add(tensor.data_ptr())
        if any(re.search(pattern, name) for pattern in case.may_sleep):
            continue
        for label, piece in _pieces(name, tensor):
            kept = piece.clone()
            noise = torch.randn(piece.shape, generator=torch.Generator().manual_seed(7))
            piece.add_(0.25 * float(kept.square().mean().sqrt()) * noise)
            moved = rms(logits_of(model, ids) - logits) / scale
            piece.copy_(kept)
            if not moved >= weakest[1]:
                weakest = (label, moved)
    return weakest
