#!/usr/bin/env python3
"""What fewer bits cost: convert_table.py TEXT [MODEL] [VARVE]

Converts MODEL (smollm2 where nothing is said) to plain numbers, from there to every width and mode, measures each
against MODEL on the first 4,096 tokens of TEXT in exact arithmetic, and prints the table of docs/quality.md. VARVE is
build/release/bin/varve where nothing is said. Needs Python alone, and room for some copies of the model in the folder
for temporary files.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

RECIPES = [
    *(f"--bits {bits}" for bits in (8, 6, 5, 4, 3, 2)),
    "--bits 4 --group-size 32",
    "--bits 4 --embed-bits 8",
    *(f"--recipe {name}" for name in ("mixed_4_6", "mixed_3_6", "mixed_3_4", "mixed_2_6")),
    *(f"--mode {name}" for name in ("mxfp8", "nvfp4", "mxfp4")),
]


def main():
    text = sys.argv[1]
    model = sys.argv[2] if len(sys.argv) > 2 else "smollm2"
    varve = sys.argv[3] if len(sys.argv) > 3 else "build/release/bin/varve"

    def told(*words):
        return json.loads(subprocess.run([varve, *words, "--json"], check=True, stdout=subprocess.PIPE).stdout)

    def measured(name, path, made):
        e = told("eval", path, "--text", text, "--tokens", "4096", "--precision", "exact", "--against", model)
        ratio, error = e["perplexity_ratio"], e["perplexity_ratio_error"]
        print(f"| `{name}` | {made['bytes'] / 1e6:.1f} MB | {made['bits_per_weight']:.2f} "
              f"| {shown(e['perplexity'], 2)} | {shown(ratio, 3)} ± {shown(error, 3)} | {e['kl_mean']:.2g} "
              f"| {e['kl_99']:.2g} | {e['top1_agreement']:.3f} |", flush=True)

    print("| `varve convert` | size | bits per weight | perplexity | ratio | KL mean | KL 99th percentile | top-1 |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        plain, result = f"{folder}/plain", f"{folder}/result"
        measured("--dequantize", plain, told("convert", model, plain, "--dequantize"))
        for recipe in RECIPES:
            measured(recipe, result, told("convert", plain, result, "--force", *recipe.split()))


def shown(number, digits):
    """Without the digits of a large number that mean nothing."""
    return f"{number:.{digits}f}" if number < 1000 else f"{number:.2g}"


if __name__ == "__main__":
    main()
