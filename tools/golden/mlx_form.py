#!/usr/bin/env python3
"""What mlx-lm makes of every case: names, shapes, dtypes, which modules it quantises, and a checksum of all numbers.

    python tools/golden/mlx_form.py                       # writes tests/cases/mlx/FAMILY.json
    python tools/golden/mlx_form.py --only 'llama-*' --each   # prints each tensor with a checksum of its own

A file holds {case: {"values": checksum, "tensors": {name: "F32 64x32 module eight keep"}}}. Tensors of which the same
holds share an entry: "model.layers.0-2,5.mlp.gate_proj.weight". `module`: mlx-lm quantises it when asked to; `eight`: to
8 bits, group 64, whatever is asked; `keep`: exempt from the cast of dtypes; "affine4/32" instead of a dtype: quantised
already; "?": mlx-lm has no such module, so that nothing is known.

The checksum is the CRC-32 of those of all tensors in order of name. That of one is over its name, then quantised words,
scales and biases as they are stored, or else numbers as float32. A second one, "bf16", is of the same case rounded to bfloat16 first, where MLX computes.
"""

from __future__ import annotations

import argparse
import json
import re
import zlib
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Callable

import mlx.core as mx
import mlx_lm.utils
import numpy as np
from mlx.utils import tree_flatten

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests/cases/golden"
OUT = ROOT / "tests/cases/mlx"
DTYPES = {mx.float32: "F32", mx.float16: "F16", mx.bfloat16: "BF16", mx.uint8: "U8", mx.uint32: "U32"}
Weights = dict[str, mx.array]

# What mlx-lm wants said and the cases leave to a default.
EDITS = {
    "deepseek_v2-grouped": {"rope_scaling": {"factor": 1.0, "type": "yarn"}},
    "ernie4_5*": {"rope_theta": 10000.0},
    "granite-*": {"embedding_multiplier": 1.0, "residual_multiplier": 1.0, "rope_theta": 10000.0},
    "mamba2-*": {"intermediate_size": 0},
}
# Language models that mlx-lm knows inside a wrapper alone. What the wrapper adds to names is taken off again.
WRAPPERS = {"qwen3_5_text": "qwen3_5", "qwen3_5_moe_text": "qwen3_5_moe", "llama4_text": "llama4"}
PREFIXES = {"llama4": "language_model."}
# mlx-lm looks for experts in layer 0 alone, or does nothing to a model without any. They are made up, and left out again.
DECOYS = {"qwen2_moe-shared": "num_experts", "qwen3_next-dense": "num_experts"}
# mlx-lm leaves out what the model needs; it does so at loading as well, and so the tensor may stay.
STAYS = {"ernie4_5_moe": re.compile(r"e_score_correction_bias$")}
# Their names and shapes are those of an untouched model: mlx-lm cannot read these checkpoints.
UNREADABLE = {"gpt_oss-bf16"}
# Nothing is known: mlx-lm has no such model, or not for plain numbers.
UNKNOWN = ["falcon-*", "bitnet-online", "bitnet-sub-norms"]
ROUNDED = ["falcon_h1-multipliers", "qwen3_next-delta"]

mx.set_default_device(mx.cpu)


def edited(case: str, config: dict[str, Any]) -> dict[str, Any]:
    for pattern, edits in EDITS.items():
        if fnmatch(case, pattern):
            config = {**edits, **{key: value for key, value in config.items() if key not in edits or value}}
    if wrapper := WRAPPERS.get(config["model_type"]):
        config = {"model_type": wrapper, "text_config": config, "vocab_size": config["vocab_size"]}
    return config


def model_of(config: dict[str, Any]) -> Any:
    model_class, arguments = mlx_lm.utils._get_classes(config)
    return model_class(arguments.from_dict(config))


def fused(weights: Weights) -> Weights:
    """Experts as the hub has them: gate and up in one tensor of all."""
    out = {name: values for name, values in weights.items() if ".experts." not in name}
    for layer in {name.split(".experts.")[0] for name in weights if ".experts." in name}:
        count = sum(bool(re.fullmatch(rf"{layer}\.experts\.\d+\.down_proj\.weight", name)) for name in weights)
        one = [[weights[f"{layer}.experts.{e}.{part}_proj.weight"] for e in range(count)] for part in ("gate", "up", "down")]
        gate, up, down = (mx.stack(experts) for experts in one)
        out |= {f"{layer}.experts.gate_up_proj": mx.concatenate([gate, up], axis=1), f"{layer}.experts.down_proj": down}
    return out


def sanitised(case: str, config: dict[str, Any], model: Any, weights: Weights) -> Weights:
    sanitize: Callable[[Weights], Weights] = getattr(model, "sanitize", lambda w: w)
    stays = STAYS.get(config["model_type"])
    kept = {name: values for name, values in weights.items() if stays and stays.search(name)}
    if config["model_type"] == "gpt2":  # as Transformers saves it
        weights = {name.removeprefix("transformer."): values for name, values in weights.items()}
    if prefix := PREFIXES.get(config["model_type"]):
        weights = {prefix + name: values for name, values in weights.items()}
    if config["model_type"] == "qwen3_5_moe":
        weights = fused(weights)
    decoys = set()
    if counted := DECOYS.get(case):
        for part in ("gate_proj", "up_proj", "down_proj"):
            for expert in range(config[counted] or 1):
                weights[f"model.layers.0.mlp.experts.{expert}.{part}.weight"] = mx.zeros((1, 1))
            decoys.add(f"model.layers.0.mlp.switch_mlp.{part}.weight")
        model.args.num_experts = config[counted] or 1
    out = {name: values for name, values in sanitize(weights).items() if name not in decoys}
    wrapped = config["model_type"] in WRAPPERS.values()
    return {name.removeprefix("language_model.") if wrapped else name: v for name, v in {**out, **kept}.items()}


def scheme_of(config: dict[str, Any], path: str) -> dict[str, Any]:
    """How a module with scales is quantised."""
    how = config.get("quantization") or {"group_size": 32, "bits": 4, "mode": "mxfp4"}
    entry = how.get(path)
    if isinstance(entry, dict):
        how = entry
    mode = how.get("mode", "affine")
    group, bits = {"affine": (64, 4), "mxfp4": (32, 4), "nvfp4": (16, 4), "mxfp8": (32, 8)}[mode]
    return {"mode": mode, "bits": how.get("bits") or bits, "group_size": how.get("group_size") or group}


def lines_of(config: dict[str, Any], model: Any, weights: Weights) -> dict[str, str]:
    """A line for every tensor; the companions of words are left out."""
    wrapped = config["model_type"] in WRAPPERS.values()
    modules = {path.removeprefix("language_model.") if wrapped else path: m for path, m in model.named_modules()}
    pinned = getattr(model, "quant_predicate", None) or (lambda path, module: True)
    casts = getattr(model, "cast_predicate", None) or (lambda name: True)
    out = {}
    for name, values in weights.items():
        path, _, leaf = name.rpartition(".")
        words = f"{path}.scales" in weights and leaf == "weight"
        if f"{path}.scales" in weights and leaf in ("scales", "biases", "global_scale"):
            continue
        shape, notes, how = list(values.shape), [], DTYPES[values.dtype]
        module = modules.get(path)
        if words:
            scheme = scheme_of(config, path)
            shape[-1] = shape[-1] * 32 // scheme["bits"]
            width = scheme["bits"] if scheme["mode"] == "affine" else ""
            how = f"{scheme['mode']}{width}/{scheme['group_size']}"
        if leaf == "weight" and len(shape) > 1:
            if module is None or "weight" not in module:
                notes.append("?")
            elif hasattr(module, "to_quantized"):
                notes.append("module")
        if "module" in notes and isinstance(pinned(path, module), dict):
            notes.append("eight")
        if not casts(name):
            notes.append("keep")
        out[name] = " ".join([how, "x".join(map(str, shape)), *notes])
    return out


def bytes_of(values: mx.array, as_stored: bool) -> bytes:
    return np.array(values if as_stored else values.astype(mx.float32)).tobytes()


def checksums(lines: dict[str, str], weights: Weights) -> dict[str, int]:
    """Of each tensor."""
    out = {}
    for name, line in lines.items():
        path = name.rpartition(".")[0]
        as_stored = "/" in line.split()[0] or line.startswith("U")
        check = zlib.crc32(name.encode())
        check = zlib.crc32(bytes_of(weights[name], as_stored), check)
        if "/" in line.split()[0]:
            for companion in (f"{path}.scales", f"{path}.biases"):
                if companion in weights:
                    values = weights[companion]
                    stored = values.view(mx.uint16) if values.dtype == mx.bfloat16 else values
                    check = zlib.crc32(bytes_of(stored, True), check)
        out[name] = check
    return out


def together(sums: dict[str, int]) -> str:
    return f"{zlib.crc32(b''.join(sums[name].to_bytes(4, 'little') for name in sorted(sums))):08x}"


def ranges(numbers: list[int]) -> str:
    """0, 1, 2, 5 -> 0-2,5"""
    out: list[list[int]] = []
    for number in sorted(numbers):
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def compact(lines: dict[str, str]) -> dict[str, str]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for name, line in sorted(lines.items()):
        number = re.search(r"(?<=\.)\d+(?=\.)", name)
        groups[re.sub(r"(?<=\.)\d+(?=\.)", "#", name, count=1), line] += [int(number[0])] if number else []
    return {name.replace("#", ranges(numbers)): line for (name, line), numbers in sorted(groups.items())}


def read(folder: Path) -> Weights:
    weights: Weights = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights.update(mx.load(str(file)))
    return weights


def form(folder: Path, each: bool) -> dict[str, Any]:
    case = folder.name
    config = edited(case, json.loads((folder / "config.json").read_text()))
    if case in UNREADABLE:
        dtype = next(iter(read(folder).values())).dtype
        model = model_of(config)
        fresh = {name: values.astype(dtype) for name, values in tree_flatten(model.parameters())}
        return {"tensors": compact(lines_of(config, model, fresh))}

    def result(change: Callable[[mx.array], mx.array]) -> tuple[dict[str, str], dict[str, int]]:
        model = model_of(config)
        weights = sanitised(case, config, model, {name: change(v) for name, v in read(folder).items()})
        lines = lines_of(config, model, weights)
        return lines, checksums(lines, weights)

    lines, sums = result(lambda values: values)
    if each:
        for name in sorted(lines):
            print(f"{case}: {name} {lines[name]} {sums[name]:08x}")
    out = {"values": together(sums), "tensors": compact(lines)}
    if any(name.endswith(".global_scale") for name in read(folder)):  # a factor that varve multiplies in
        del out["values"]
    if case in ROUNDED:
        out["bf16"] = together(result(lambda values: values.astype(mx.bfloat16))[1])
    return out


def gguf_form(folder: Path) -> dict[str, Any]:
    """No numbers: mlx-lm reads no such file. Names and shapes are those of the model that the metadata stand for."""
    config = json.loads((folder / "expected_config.json").read_text())
    model = model_of(config)
    fresh = {
        name: values for name, values in tree_flatten(model.parameters())
        if not (name == "lm_head.weight" and config.get("tie_word_embeddings", config["model_type"] == "gemma3_text"))
    }
    return {"tensors": compact(lines_of(config, model, fresh))}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*", help="cases whose names fit; the others of a file stay as they are")
    parser.add_argument("--each", action="store_true", help="print tensors, write nothing")
    args = parser.parse_args()
    families: dict[str, dict[str, Any]] = defaultdict(dict)
    for folder in sorted(CASES.iterdir()):
        if not fnmatch(folder.name, args.only) or any(fnmatch(folder.name, pattern) for pattern in UNKNOWN):
            continue
        hub = (folder / "config.json").exists()
        config = json.loads((folder / ("config.json" if hub else "expected_config.json")).read_text())
        families[config["model_type"]][folder.name] = form(folder, args.each) if hub else gguf_form(folder)
    if args.each:
        return
    OUT.mkdir(exist_ok=True)
    for family, cases in families.items():
        file = OUT / f"{family}.json"
        others = json.loads(file.read_text()) if args.only != "*" and file.exists() else {}
        file.write_text(json.dumps(dict(sorted((others | cases).items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
