#!/usr/bin/env python3
"""Runs the hub-layout goldens through mlx-lm, an implementation of other hands, and prints how far apart the two are.

A small distance says that Transformers and mlx-lm agree on what the family is. A large one needs a look: mostly mlx-lm
lacks an option that the case is there for (see README.md for those known).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import maker  # noqa: F401  first: it sets the environment that Transformers reads
import numpy as np
import reference
from mlx_cases import mlx_logits

CASES = Path(__file__).resolve().parents[2] / "tests" / "cases" / "golden"


def distance(folder: Path) -> str:
    golden = json.loads((folder / "golden.json").read_text())
    try:
        theirs = mlx_logits(folder, golden["ids"])
    except Exception as reason:  # whatever mlx-lm refuses a checkpoint with
        return "refused: " + re.sub(r"\s+", " ", str(reason))[:90]
    return f"{reference.rms(theirs - np.load(folder / 'logits.npy')) / golden['logits_rms']:.1e}"


def main() -> None:
    for folder in sorted(CASES.iterdir()):
        if (folder / "config.json").exists():
            print(f"{folder.name:32} {distance(folder)}")


if __name__ == "__main__":
    main()
