#!/usr/bin/env python3
"""varve and mlx-lm read what the other converts, and compute the same from it: mlx_roundtrip.py SOURCE BINARY

Needs Python with mlx-lm (CPU) and numpy: this one, or the one that VARVE_MLX_PYTHON names. Exit code 77, which counts
as skipped, says that there is none.
"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import mlx.core as mx
    import numpy as np
    from mlx_lm.utils import load_model
except ImportError:
    other = os.environ.pop("VARVE_MLX_PYTHON", "")
    if other:
        os.execv(other, [other, *sys.argv])
    print("skipped: this Python has no mlx-lm; VARVE_MLX_PYTHON may name one that has")
    sys.exit(77)

SOURCE, BINARY = Path(sys.argv[1]), Path(sys.argv[2])
GOLDEN = SOURCE / "tests" / "cases" / "golden"
sys.path.insert(0, str(SOURCE / "tools" / "convert"))
from expectations import read_tensors  # noqa: E402
from mlx_lm_convert import convert as mlx_convert  # noqa: E402

sys.path.insert(0, str(SOURCE / "tools" / "golden"))
from mlx_format import decode_e4m3  # noqa: E402

# Float32 throughout, so that only the order of sums differs.
CASES = [
    ("llama-biases", {"group_size": 32}),
    ("llama-gqa", {"bits": 3, "group_size": 32}),
    ("llama-gqa", {"mode": "mxfp4"}),
    ("llama-gqa", {"mode": "mxfp8"}),
    ("llama-gqa", {"mode": "nvfp4"}),
    ("llama-gqa", {"recipe": "mixed_2_6", "group_size": 32}),
    ("llama-head-dim", {"recipe": "mixed_3_6"}),  # "group_size": null
    ("llama-tied", {"bits": 8, "group_size": 32}),
    ("qwen2-tied", {"bits": 6, "group_size": 32}),
    ("qwen3_moe-mixed", {"group_size": 64}),
    ("mixtral-top2", {"bits": 5, "group_size": 32}),
    ("olmo2-post-norm", {"group_size": 32}),
    ("deepseek_v2-lite", {"group_size": 32}),
    ("glm4_moe-air", {"group_size": 32}),
]
# What keeps the words that it has: GGUF's blocks, and MLX's own.
KEPT = [
    "gguf-deepseek2-q8_0", "gguf-gemma3", "gguf-llama-f32", "gguf-llama-k", "gguf-llama-q4", "gguf-llama-q8_0",
    "gguf-qwen2-f16", "gguf-qwen3-bf16", "gguf-qwen3moe-q8_0", "mlx-affine-bf16", "mlx-modes-mixed", "mlx-mxfp4",
    "mlx-mxfp8", "mlx-nvfp4", "mlx-overrides",
]
IDS = [1, 5, 9, 17, 3, 22, 40, 2, 31]


def options_of(options):
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def varve(*words):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def varve_logits(model, folder):
    out = Path(folder) / "logits.npy"
    varve("logits", model, "--ids", ",".join(map(str, IDS)), "--out", out)
    return np.load(out)


def mlx_logits(path):
    model, _ = load_model(Path(path))
    return np.array(model(mx.array([IDS]))[0].astype(mx.float32))


def numbers_of(module):
    biases = module.biases if module.mode == "affine" else None
    numbers = mx.dequantize(module.weight, module.scales, biases, module.group_size, module.bits, module.mode)
    return np.array(numbers.astype(mx.float32))


def step_of(module):
    """The scale of every number."""
    scales = np.array(module.scales.astype(mx.float32))
    if module.mode != "affine":
        scales = 2.0 ** (scales - 127) if module.mode != "nvfp4" else decode_e4m3(scales)
    return np.abs(np.repeat(scales, module.group_size, axis=-1))


class Roundtrip(unittest.TestCase):
    def assert_alike(self, left, right, what):
        self.assertEqual(left.shape, right.shape, what)
        off = float(np.sqrt(np.mean((left - right) ** 2)) / np.sqrt(np.mean(right**2)))
        self.assertLess(off, 2e-5, what)

    def test_mlx_lm_computes_the_same_from_what_varve_converts(self):
        for name, options in CASES + [(name, {}) for name in KEPT]:
            with self.subTest(name=name, **options), tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "out"
                varve("convert", GOLDEN / name, out, "--dtype", "float32", *options_of(options))
                self.assert_alike(mlx_logits(out), varve_logits(out, folder), name)

    def test_varve_computes_the_same_from_what_mlx_lm_converts(self):
        for name, options in CASES:
            with self.subTest(name=name, **options), tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "out"
                mlx_convert(GOLDEN / name, out, dtype="float32", **options)
                self.assert_alike(varve_logits(out, folder), mlx_logits(out), name)

    def test_words_are_those_of_mlx_lm_but_for_what_its_cpu_rounds_otherwise(self):
        same = count = 0
        for name, options in CASES:
            with self.subTest(name=name, **options), tempfile.TemporaryDirectory() as folder:
                ours, theirs = Path(folder) / "ours", Path(folder) / "theirs"
                varve("convert", GOLDEN / name, ours, *options_of(options))
                mlx_convert(GOLDEN / name, theirs, **options)
                kinds = [{n: t[:2] for n, t in read_tensors(path).items()} for path in (ours, theirs)]
                self.assertEqual(*kinds)
                left, right = load_model(ours)[0], load_model(theirs)[0]
                for (path, module), (_, other) in zip(left.named_modules(), right.named_modules(), strict=True):
                    if "scales" not in module:
                        continue
                    off = np.abs(numbers_of(module) - numbers_of(other))
                    # A tie that is rounded the other way is one code away; fp4's widest step is two scales.
                    self.assertLessEqual(float(np.max(off - 2.02 * step_of(module))), 0, path)
                    same += int((off == 0).sum())
                    count += off.size
        self.assertGreater(same / count, 0.99)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
