#!/usr/bin/env python3
"""Makes the golden cases under tests/cases/golden. See README.md here."""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

import reference
import weights
from case import Case, merged
from registry import all_cases

OUT = Path(__file__).resolve().parents[2] / "tests" / "cases" / "golden"
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
        if not np.array_equal(other, logits):
            raise ValueError(f"{case.name}: '{label}' was thought to be ignored by the reference, and is not")


def measure(case: Case, attempt: int, path: Path) -> tuple[dict[str, Any], np.ndarray, dict[str, Any]]:
    ids = prompt_of(case, attempt)
    model = reference.load(case.config, path)
    gaps = reference.RouterGaps()
    with gaps:
        logits = reference.logits_of(model, ids)
        scale = reference.rms(logits)
        continuation, margin = reference.greedy(model, ids, case.greedy)
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
    model = reference.load(case.config, path)  # afresh: some rotary kinds remember the longest text seen
    name, moved = reference.weakest_weight(model, case, ids, logits)
    if moved < SLEEPING:
        raise Unfit(f"{name} moves the logits by {moved:.1e} only")
    check_options(case, path, ids, logits)

    model = reference.load(case.config, path)
    modern = modern_config(case, model, ids, logits, path)
    error = reference.double_error(model, ids, logits)
    golden = {
        "about": case.about,
        "reference": reference.REFERENCE,
        "torch": torch.__version__.partition("+")[0],
        "stored_dtype": case.dtype,
        "ids": ids,
        "greedy_ids": continuation,
        "logits_rms": scale,
        "smallest_greedy_margin": margin if case.greedy else None,
        "smallest_router_gap": gaps.smallest,
        "reference_rounding": None if error is None else float(f"{error:.1e}"),
        "weakest_weight": f"{name}: {moved:.1e}",
        "options_that_matter": sorted(case.must_matter),
        "options_ignored": sorted(case.must_not_matter),
        "attempt": attempt,
    }
    if case.note:
        golden["note"] = case.note
    return golden, logits, modern


def make(case: Case, out: Path) -> None:
    folder = out / case.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    write_json(folder / "config.json", case.config)
    for attempt in range(ATTEMPTS):
        write_weights(case, attempt, path)
        try:
            golden, logits, modern = measure(case, attempt, path)
            break
        except Unfit as reason:
            print(f"  {case.name}: attempt {attempt}: {reason}", file=sys.stderr)
    else:
        raise SystemExit(f"{case.name}: no fit weights in {ATTEMPTS} attempts")
    write_json(folder / "config.transformers5.json", modern)
    write_json(folder / "golden.json", golden)
    np.save(folder / "logits.npy", logits)
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > MAX_CASE_BYTES:
        raise SystemExit(f"{case.name}: {size} bytes, at most {MAX_CASE_BYTES} are wanted")
    gap = golden["smallest_router_gap"]
    print(
        f"{case.name}: {size // 1000} KB, rms {golden['logits_rms']:.2f}, margin {golden['smallest_greedy_margin']},"
        f" gap {gap}, rounding {golden['reference_rounding']}, weakest {golden['weakest_weight']}, attempt {golden['attempt']}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="*", help="a glob on case names")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--list", action="store_true", help="print the cases and what they are for")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    chosen = [case for case in all_cases() if fnmatch.fnmatch(case.name, arguments.only)]
    if not chosen:
        raise SystemExit(f"no case matches '{arguments.only}'")
    for case in chosen:
        if arguments.list:
            print(f"{case.name:32} {case.about}")
        else:
            make(case, arguments.out)


if __name__ == "__main__":
    main()
