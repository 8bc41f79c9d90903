#!/usr/bin/env python3
"""The layout rules of docs/architecture.md as checks over the source tree.

    lint.py ROOT            every check
    lint.py ROOT CHECK...   some of them
    lint.py --list          their names

A check prints one line per fault, "file:line: what is wrong", and the exit code is then 1.
Exit code 77: the check's tool is not on this machine, or there is nothing to check.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

SKIPPED = 77
MAX_LINES = 600
CODE = {".h", ".cpp", ".rs", ".py", ".cmake", ".sh"}
LEFT_OUT = {".git", "build", "rust", "target", "__pycache__", "node_modules", ".cache"}

# Names of model families besides the stems of families/*.toml, which are added.
FAMILY_WORDS = """llama mistral mixtral qwen gemma phi deepseek falcon cohere olmo granite internlm baichuan
    starcoder gpt_oss gptneox mamba rwkv""".split()
ISA_WORDS = "avx avx2 avx512 avx512f sse sse2 sse4 vnni amx neon asimd sve sve2 i8mm dotprod".split()
PROTOCOL_WORDS = "openai anthropic ollama chat_completions messages_api mcp".split()

# (file, word): a word that must stand there although it looks like a forbidden one, and why.
ALLOWED = {
    ("src/nn/rope.cpp", "llama3"): "the name that configs give this kind of rope scaling",
    ("src/nn/rope.h", "llama3"): "the same",
    ("src/family/rope_divisors.cpp", "llama3"): "the same",
    ("src/checkpoint/quantization.cpp", "bitnet"): "the name that configs give this scheme of quantisation",
    ("src/checkpoint/quantization.h", "bitnet"): "the same",
    ("src/checkpoint/ternary.cpp", "bitnet"): "the same",
    ("src/text/syntax/mirothinker.cpp", "mcp"): "part of a tag that the model writes",
}


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self.files = sorted(self._walk())

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = [f for f in folders if f not in LEFT_OUT]
            for name in names:
                yield (Path(folder) / name).relative_to(self.root).as_posix()

    def below(self, *folders, endings=(".h", ".cpp")):
        return [f for f in self.files if f.startswith(tuple(folders)) and f.endswith(tuple(endings))]

    def text(self, file):
        return (self.root / file).read_text(encoding="utf-8", errors="replace")


def without_comments(text):
    """C++ or Rust text with comments blanked, lines kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
    blank = lambda m: m[0] if m[0].startswith('"') else re.sub(r"[^\n]", " ", m[0])
    return pattern.sub(blank, text)


def words_of(line):
    """Words of a line, with snake_case and CamelCase names also taken apart."""
    for name in re.findall(r"[A-Za-z][A-Za-z0-9_]*", line):
        parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", name)
        yield from {name.lower(), *(p.lower() for p in parts)}


def find_words(tree, files, forbidden, what):
    for file in files:
        for number, line in enumerate(without_comments(tree.text(file)).splitlines(), 1):
            for word in sorted(set(words_of(line))):
                known = next((f for f in forbidden if word == f or re.fullmatch(re.escape(f) + r"[\d_.v]+", word)), None)
                if known and (file, word) not in ALLOWED:
                    yield f"{file}:{number}: {what} '{word}' does not belong here"


def check_family_names(tree):
    """Family names only in families/, catalog/, src/text/syntax, tests, tools and docs."""
    words = set(FAMILY_WORDS) | {Path(f).stem for f in tree.below("families/", endings=(".toml",))}
    files = [f for f in tree.below("src/", "apps/", "examples/") if not f.startswith("src/text/syntax/")]
    yield from find_words(tree, files, sorted(words), "the family name")


def check_isa_names(tree):
    """Instruction sets only in src/kernels (and tests)."""
    files = [f for f in tree.below("src/", "apps/", "examples/") if not f.startswith("src/kernels/")]
    yield from find_words(tree, files, ISA_WORDS, "the instruction set")


def check_protocol_names(tree):
    """Protocols only in src/http."""
    files = [f for f in tree.below("src/", "apps/") if not f.startswith("src/http/")]
    yield from find_words(tree, files, PROTOCOL_WORDS, "the protocol name")


def check_file_sizes(tree):
    """No file of code above 600 lines."""
    for file in tree.files:
        if Path(file).suffix not in CODE and not file.startswith("scripts/"):
            continue
        lines = tree.text(file).count("\n")
        if lines > MAX_LINES:
            yield f"{file}: {lines} lines; {MAX_LINES} is the most a file may have"


def read_arrows(tree):
    """cmake/VarveArrows.cmake: folder -> the folders it may need."""
    found = re.findall(r"^set\(VARVE_ARROWS_(\w+) ([^)]*)\)", tree.text("cmake/VarveArrows.cmake"), re.M)
    return {folder: set(re.findall(r"\w+", needs)) for folder, needs in found}


def read_needs(tree, folder):
    """The NEEDS of a folder's CMakeLists."""
    found = re.search(r"varve_module\(\s*\w+.*?\)", tree.text(f"src/{folder}/CMakeLists.txt"), re.S)
    needs = re.search(r"NEEDS(.*?)(?:LIBS|SOURCES|\))", found[0], re.S) if found else None
    return set(re.findall(r"\w+", needs[1])) if needs else set()


def check_arrows(tree):
    """Includes under src/ follow the arrows, and each folder's NEEDS cover them."""
    arrows = read_arrows(tree)
    folders = {f.split("/")[1] for f in tree.below("src/")}
    needs = {f: read_needs(tree, f) for f in folders if f"src/{f}/CMakeLists.txt" in tree.files
             and "varve_module(" in tree.text(f"src/{f}/CMakeLists.txt")}

    def reached(folder, seen):
        for need in needs.get(folder, set()) - seen:
            seen.add(need)
            reached(need, seen)
        return seen

    for folder in sorted(folders - set(arrows)):
        yield f"src/{folder}: no line in cmake/VarveArrows.cmake"
    for file in tree.below("src/"):
        folder = file.split("/")[1]
        for number, line in enumerate(tree.text(file).splitlines(), 1):
            include = re.match(r'\s*#include "(\w+)/', line)
            if not include or include[1] == folder or include[1] not in folders:
                continue
            if include[1] not in arrows.get(folder, set()):
                yield f"{file}:{number}: src/{folder} must not see src/{include[1]}"
            elif folder in needs and include[1] not in reached(folder, set()):
                yield f"{file}:{number}: src/{folder}/CMakeLists.txt does not need {include[1]}"


def check_headers(tree):
    """Every header opens with #pragma once and a comment that says what it is."""
    for file in tree.below("src/", "apps/", "tests/", "examples/", "rust/", endings=(".h",)):
        lines = tree.text(file).splitlines()[:2]
        if len(lines) < 2 or lines[0] != "#pragma once" or not lines[1].startswith(("// ", "/* ")):
            yield f"{file}:1: a header opens with '#pragma once' and, on the next line, a comment: what it is, what it promises"


def check_words(tree):
    """No unfinished marks, no traces of whoever's machine the work was done on."""
    unfinished = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    trace = re.compile(r"/(?:work|home|root|Users)/[a-z]|pyp" + r"i\.org|python" + r"hosted|deb\.deb" + r"ian\.org", re.I)
    endings = (".h", ".cpp", ".rs", ".py", ".cmake", ".txt", ".md", ".toml", ".sh", ".json")
    for file in tree.files:
        if file.startswith("tests/cases/") or not (file.endswith(endings) or file.startswith(("scripts/", ".ci/"))):
            continue
        for number, line in enumerate(tree.text(file).splitlines(), 1):
            if unfinished.search(line):
                yield f"{file}:{number}: unfinished work is an issue, not a mark in the text"
            if trace.search(line):
                yield f"{file}:{number}: names one machine's path or host"


def check_format(tree):
    """clang-format 14 has nothing to change."""
    files = tree.below("src/", "apps/", "tests/", "examples/", "bench/", "rust/")
    files = [f for f in files if not f.startswith("tests/cases/")]
    try:
        done = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], cwd=tree.root, text=True,
                              stderr=subprocess.PIPE, check=False)
    except FileNotFoundError:
        print("skipped: clang-format-14 is not here")
        sys.exit(SKIPPED)
    for file in sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.M))):
        yield f"{file}: run ./scripts/format"


CHECKS = {name[len("check_"):]: check for name, check in list(globals().items()) if name.startswith("check_")}


def main(arguments):
    if arguments[:1] == ["--list"]:
        print("\n".join(CHECKS))
        return 0
    tree = Tree(arguments[0])
    faults = [fault for name in arguments[1:] or CHECKS for fault in CHECKS[name](tree)]
    print("\n".join(faults) or "clean")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
