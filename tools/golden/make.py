#!/usr/bin/env python3
"""Makes the golden cases under tests/cases/golden. See README.md here."""

from __future__ import annotations

import argparse
import fnmatch
from pathlib import Path

import maker  # noqa: F401  first: it sets the environment that Transformers reads
import torch
import transformers
from registry import all_cases

OUT = Path(__file__).resolve().parents[2] / "tests" / "cases" / "golden"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="*", help="a glob on case names")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--list", action="store_true", help="print the cases and what they are for")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    chosen = {name: entry for name, entry in all_cases().items() if fnmatch.fnmatch(name, arguments.only)}
    if not chosen:
        raise SystemExit(f"no case matches '{arguments.only}'")
    for name, (case, make) in chosen.items():
        if arguments.list:
            print(f"{name:32} {case.about}")
        else:
            make(arguments.out)


if __name__ == "__main__":
    main()
