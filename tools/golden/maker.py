"""Makes one case: draws weights until they are fit, asks the reference, writes the directory."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # compiling would only cost time

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

import reference
import weights
from case import Case, merged

MAX_CASE_BYTES = 500_000
ROUTER_GAP = 2e-3
MARGIN = 1e-2  # of the logits' RMS: ten times what varve may differ by
SLEEPING = 5e-3  # a weight whose disturbance moves the logits less than this would not be tested
ATTEMPTS = 400


class Unfit(Exception):
    """These weights would make a fragile or a blind golden: draw others."""


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2)
    # a list of numbers on one line
    flat = re.sub(r"\[([^][{}\"]*)\]", lambda found: "[" + " ".join(found[1].split()) + "]", text)
    path.write_text(flat + "\n")


def prompt_of(case: Case, attempt: int) -> list[int]:
    rng = weights.rng_for(case, attempt, "prompt")
    return [int(i) for i in rng.integers(3, case.config["vocab_size"], case.prompt)]


def write_weights(case: Case, attempt: int, path: Path) -> None:
    """A fresh model of this config with drawn weights, saved under the hub's tensor names."""
    with tempfile.TemporaryDirectory() as folder:
        write_json(Path(folder) / "config.json", case.config)
        config = AutoConfig.from_pretrained(folder)
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
        weights.fill(model, case, attempt)
        model.save_pretrained(folder)
        tensors = load_file(Path(folder) / "model.safetensors")
    stored = {
        name: tensor.to(weights.stored_dtype(case, name)) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    for pattern, replacement in case.rename.items():
        stored = {re.sub(pattern, replacement, name): tensor for name, tensor in stored.items()}
    stored |= {name: torch.ones(shape) for name, shape in case.decoys.items()}
    save_file(stored, path, metadata={"format": "pt"})


def modern_config(case: Case, model: torch.nn.Module, ids: list[int], logits: np.ndarray, path: Path) -> dict[str, Any]:
    """What Transformers 5 writes for this model, less the hub's keys that it merely passes on."""
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        config = json.loads((Path(folder) / "config.json").read_text())
    config["dtype"] = case.dtype
    config["architectures"] = case.config["architectures"]
    rope = config.get("rope_parameters") or {}
    for table in (rope, *(table for table in rope.values() if isinstance(table, dict))):
        table.pop("type", None)
    declared = {item.name for item in dataclasses.fields(model.config)} | {"model_type"}
    for key in sorted(set(config) - declared - {"architectures", "dtype", "transformers_version"}):
        shorter = {name: value for name, value in config.items() if name != key}
        if same_model(shorter, path, ids, logits):
            config = shorter
    if not same_model(config, path, ids, logits):
        raise ValueError(f"{case.name}: the two spellings of the config give different logits")
    return dict(sorted(config.items()))


def same_model(config: dict[str, Any], path: Path, ids: list[int], logits: np.ndarray) -> bool:
    try:
        return np.array_equal(reference.logits_of(reference.load(config, path), ids), logits)
    except Exception:  # a config without the key may be refused in many ways: then the key is needed
        return False


def check_options(case: Case, path: Path, ids: list[int], logits: np.ndarray) -> None:
    scale = reference.rms(logits)
    for label, edits in case.must_matter.items():
        other = reference.logits_of(reference.load(merged(case.config, edits), path), ids)
        moved = reference.rms(other - logits) / scale
        if moved < 2e-2:
            raise Unfit(f"option '{label}' moves the logits by {moved:.1e} only")
    for label, edits in case.must_not_matter.items():
        other = reference.logits_of(reference.load(merged(case.config, edits), path), ids)
        if reference.rms(other - logits) > (1e-5 * scale if label in case.bits_may_move else 0.0):
            raise ValueError(f"{case.name}: '{label}' was thought to be ignored by the reference, and is not")


def answers(case: Case, model: torch.nn.Module, ids: list[int]) -> tuple[np.ndarray, dict[str, Any]]:
    """Logits of the prompt and what golden.json says of them; refuses whatever rounding could flip."""
    gaps = reference.RouterGaps()
    with gaps:
        logits = reference.logits_of(model, ids)
        continuation, margin = reference.greedy(model, ids, case.greedy)
    scale = reference.rms(logits)
    if not np.isfinite(logits).all() or not 0.05 < scale < 50:
        raise Unfit(f"logits' RMS {scale}")
    if gaps.smallest is not None and gaps.smallest < ROUTER_GAP:
        raise Unfit(f"router gap {gaps.smallest:.1e}")
    if case.greedy and margin < MARGIN * scale:
        raise Unfit(f"greedy margin {margin / scale:.1e}")
    if case.greedy and len(set(continuation)) < case.greedy // 3:
        raise Unfit("greedy continuation repeats itself")
    eos = case.config.get("eos_token_id")
    if eos is not None and set(continuation) & set(eos if isinstance(eos, list) else [eos]):
        raise Unfit("greedy continuation meets the end of text")
    if (logits.argmax(-1) == np.array(ids)).mean() > 0.5:
        raise Unfit("the model echoes its input")
    return logits, {
        "ids": ids,
        "greedy_ids": continuation,
        "logits_rms": scale,
        "smallest_greedy_margin": margin if case.greedy else None,
        "smallest_router_gap": gaps.smallest,
    }


def check_weights(case: Case, model: torch.nn.Module, ids: list[int], logits: np.ndarray) -> str:
    name, moved = reference.weakest_weight(model, case, ids, logits)
    if moved < SLEEPING:
        raise Unfit(f"{name} moves the logits by {moved:.1e} only")
    return f"{name}: {moved:.1e}"


def measure(case: Case, attempt: int, path: Path) -> tuple[dict[str, Any], np.ndarray, dict[str, Any]]:
    ids = prompt_of(case, attempt)
    logits, measured = answers(case, reference.load(case.config, path), ids)
    model = reference.load(case.config, path)  # afresh: some rotary kinds remember the longest text seen
    weakest = check_weights(case, model, ids, logits)
    check_options(case, path, ids, logits)

    model = reference.load(case.config, path)
    modern = modern_config(case, model, ids, logits, path)
    error = reference.double_error(model, ids, logits)
    golden = {
        "about": case.about,
        "reference": reference.reference_of(case.config),
        "torch": torch.__version__.partition("+")[0],
        "stored_dtype": case.dtype,
        **measured,
        "reference_rounding": None if error is None else float(f"{error:.1e}"),
        "weakest_weight": weakest,
        "options_that_matter": sorted(case.must_matter),
        "options_ignored": sorted(case.must_not_matter),
        "attempt": attempt,
    }
    if case.note:
        golden["note"] = case.note
    return golden, logits, modern


def search(name: str, one_attempt: Callable[[int], tuple[dict[str, Any], np.ndarray]], folder: Path) -> None:
    """Draws until the case is fit, then writes the answers and says how safe they are."""
    for attempt in range(ATTEMPTS):
        try:
            golden, logits = one_attempt(attempt)
            break
        except Unfit as reason:
            print(f"  {name}: attempt {attempt}: {reason}", file=sys.stderr)
    else:
        raise SystemExit(f"{name}: no fit weights in {ATTEMPTS} attempts")
    write_json(folder / "golden.json", golden)
    np.save(folder / "logits.npy", logits)
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > MAX_CASE_BYTES:
        raise SystemExit(f"{name}: {size} bytes, at most {MAX_CASE_BYTES} are wanted")
    gap = golden["smallest_router_gap"]
    print(
        f"{name}: {size // 1000} KB, rms {golden['logits_rms']:.2f}, margin {golden['smallest_greedy_margin']},"
        f" gap {gap}, weakest {golden['weakest_weight']}, attempt {golden['attempt']}"
    )


def make(case: Case, out: Path) -> None:
    folder = out / case.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    write_json(folder / "config.json", case.config)

    def one_attempt(attempt: int) -> tuple[dict[str, Any], np.ndarray]:
        write_weights(case, attempt, path)
        golden, logits, modern = measure(case, attempt, path)
        write_json(folder / "config.transformers5.json", modern)
        return golden, logits

    search(case.name, one_attempt, folder)
