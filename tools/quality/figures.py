#!/usr/bin/env python3
"""The tables of docs/quality.md, measured by the tests themselves: figures.py [BUILD]

Runs test_models and test_kernels of a build folder (build/release) and prints, as Markdown, how far each family's
goldens are from Transformers at worst, and how far each weight format's kernels are from float64.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def properties(binary, tests):
    """What the tests recorded: {test: {name: number}}."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        done = subprocess.run([binary, f"--gtest_filter={tests}", f"--gtest_output=json:{out}"],
                              stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}\n{binary} failed")
        suites = json.loads(out.read_text())["testsuites"]
    known = {"name", "file", "line", "status", "result", "timestamp", "time", "classname", "value_param", "type_param"}
    found = {}
    for suite in suites:
        for test in suite["testsuite"]:
            found[test["name"]] = {k: float(v) for k, v in test.items() if k not in known and isinstance(v, str)}
    return found


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else "build/release").resolve()
    worst = {}
    for test, recorded in properties(build / "tests/test_models", "*LogitsAgreeWithTransformers*").items():
        if "distance" not in recorded:
            continue  # skipped
        case = test.split("/")[-1]
        # Case names: family_variant, mlx_family, gguf_family_type; families have underscores of their own.
        family = next(p.name for p in Path("tests/cases/golden").iterdir() if as_test(p.name) == case).split("-")
        group = "-".join(family[:2]) if family[0] in ("mlx", "gguf") else family[0]
        number, cases = worst.get(group, (0, 0))
        worst[group] = (max(number, recorded["distance"]), cases + 1)
    print("| family | cases | worst distance |\n|---|---|---|")
    for group, (number, cases) in sorted(worst.items()):
        print(f"| {group} | {cases} | {number * 1e-6:.1e} |")

    kernels = properties(build / "tests/test_kernels", "LinearAccuracy.ExactIs*:LinearAccuracy.FastIsNear*")
    exact, fast = kernels["ExactIsTheFloat64ProductButForSummation"], kernels["FastIsNearTheProduct"]
    print("\n| weights | exact | fast |\n|---|---|---|")
    groups = {}
    for name, number in exact.items():
        # affine4g64f16: the worst of all groups and types of scales
        group = re.sub(r"^affine(\d)g.*", r"affine, \1 bits", name)
        before = groups.get(group, (0, 0))
        groups[group] = (max(before[0], number), max(before[1], fast[name]))
    for group, (one, other) in groups.items():
        print(f"| {group} | {one * 1e-9:.1e} | {other * 1e-9:.1e} |")


def as_test(name):
    """A case's name as GoogleTest has it."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name)


main()
