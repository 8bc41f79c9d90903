"""Makes tests/cases/convert/*.json: what mlx-lm writes for the tiny checkpoints of tests/cases/golden.

    expectations.py            all cases
    expectations.py NAME...    some of them

Every file holds the options, the names, types and shapes of all tensors, the SHA-256 of those that are not quantised,
config.json as it was written and the index's totals. Codes and scales are not held: mlx-lm's converter quantises on
this machine's CPU, whose rules differ from the GPU's in ties and in groups without a positive number.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from mlx_lm_convert import convert

SOURCE = Path(__file__).resolve().parents[2]
GOLDEN = SOURCE / "tests" / "cases" / "golden"
OUT = SOURCE / "tests" / "cases" / "convert"

CASES = {
    "llama-default": ("llama-f32", {}),
    "llama-32": ("llama-biases", {"group_size": 32}),
    "llama-3-bits": ("llama-gqa", {"bits": 3, "group_size": 32}),
    "llama-mixed-4-6": ("llama-gqa", {"recipe": "mixed_4_6", "group_size": 32}),
    "llama-mixed-2-6-null": ("llama-head-dim", {"recipe": "mixed_2_6"}),
    "llama-mxfp4": ("llama-f32", {"mode": "mxfp4"}),
    "llama-mxfp8": ("llama-f32", {"mode": "mxfp8"}),
    "llama-nvfp4": ("llama-f32", {"mode": "nvfp4"}),
    "llama-float16": ("llama-f32", {"dtype": "float16", "bits": 8, "group_size": 32}),
    "llama-tied": ("llama-tied", {"group_size": 32}),
    "mistral": ("mistral-head-dim", {"group_size": 32}),
    "mixtral": ("mixtral-top2", {"group_size": 32}),
    "qwen2": ("qwen2-tied", {"group_size": 32}),
    "qwen3_moe": ("qwen3_moe-mixed", {"group_size": 32}),
    "qwen3_next": ("qwen3_next-delta", {}),
    "gemma2": ("gemma2-caps", {"group_size": 32}),
    "gemma3": ("gemma3_text-windows", {"group_size": 32}),
    "phi3": ("phi3-partial", {"group_size": 32}),
    "deepseek_v2": ("deepseek_v2-lite", {"group_size": 32}),
    "deepseek_v3": ("deepseek_v3-plain", {"group_size": 32}),
    "deepseek_v3-fp8": ("deepseek_v3-fp8", {"group_size": 32}),
    "gpt_oss-mxfp4": ("gpt_oss-mxfp4", {}),
    "glm4_moe": ("glm4_moe-air", {"group_size": 32}),
    "lfm2_moe": ("lfm2_moe-experts", {}),
    "granitemoe": ("granitemoe-fused", {}),
    "falcon_h1": ("falcon_h1-norm", {"group_size": 32}),
    "minimax_m2": ("minimax_m2-partial", {}),
    "olmo2": ("olmo2-post-norm", {"group_size": 32}),
    "mlx-affine-kept": ("mlx-affine-bf16", {}),
    "mlx-overrides": ("mlx-overrides", {}),
    "mlx-dequantize": ("mlx-affine-f16", {"dequantize": True}),
}


def read_tensors(path: Path):
    """Every tensor of a directory: name -> (type, shape, bytes)."""
    out = {}
    for file in sorted(path.glob("model*.safetensors")):
        raw = file.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        for name, entry in header.items():
            if name == "__metadata__":
                assert entry == {"format": "mlx"}, entry
                continue
            begin, end = entry["data_offsets"]
            out[name] = (entry["dtype"], entry["shape"], raw[8 + length + begin : 8 + length + end])
    return out


def in_lines(case: dict) -> str:
    """JSON with one line per tensor."""
    table = lambda t: "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in t.items()) + "\n }"  # noqa: E731
    members = [f" {json.dumps(k)}: " + (table(v) if k in ("tensors", "sha256") else json.dumps(v)) for k, v in case.items()]
    return "{\n" + ",\n".join(members) + "\n}\n"


def expect(name: str):
    golden, options = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        dest = Path(folder) / "out"
        convert(GOLDEN / golden, dest, **options)
        tensors = read_tensors(dest)
        index = json.loads((dest / "model.safetensors.index.json").read_text())
        words = {n.removesuffix(".scales") for n in tensors if n.endswith(".scales")}
        # MLX widens words in the type of their scales, which rounds twice; varve rounds once.
        widened = {n.removesuffix(".scales") for n in read_tensors(GOLDEN / golden) if n.endswith(".scales")} - words
        quantised = {f"{w}.{part}" for w in words for part in ("weight", "scales", "biases")}
        case = {
            "source": golden,
            "options": options,
            "tensors": {n: [t, s] for n, (t, s, _) in sorted(tensors.items())},
            "sha256": {
                n: hashlib.sha256(b).hexdigest() for n, (_, _, b) in sorted(tensors.items())
                if n not in quantised and n.removesuffix(".weight") not in widened
            },
            "metadata": index["metadata"],
            "config": (dest / "config.json").read_text(),
        }
    OUT.mkdir(exist_ok=True)
    (OUT / f"{name}.json").write_text(in_lines(case))


def main(names):
    for name in names or CASES:
        try:
            expect(name)
            print(name)
        except Exception as error:  # noqa: BLE001: the reason is told, the other cases go on
            print(f"{name}: mlx-lm does not convert it: {error!r}"[:200])


if __name__ == "__main__":
    main(sys.argv[1:])
