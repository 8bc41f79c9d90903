#!/usr/bin/env python3
"""The documentation against the program: docs_test.py SOURCE BINARY

README's commands that need no model run; every command and option stands in docs/commands.md; links lead
somewhere; what the README claims to be a program of N lines is one.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(sys.argv[1])
BINARY = Path(sys.argv[2])


def run(*words):
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"VARVE_HOME": home, "XDG_CONFIG_HOME": home, "HF_HUB_CACHE": home,
                                    "PATH": f"{BINARY.parent}:{os.environ['PATH']}"}
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


class DocsTest(unittest.TestCase):
    def test_readme_commands_run(self):
        readme = (SOURCE / "README.md").read_text()
        block = re.search(r"<!-- The documentation test runs these. -->\n```sh\n(.*?)```", readme, re.S)
        commands = block[1].strip().splitlines()
        self.assertGreaterEqual(len(commands), 4)
        for command in commands:
            done = run("bash", "-c", command)
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr}")
            self.assertTrue(done.stdout, command)

    def test_pages_name_only_commands_that_exist(self):
        known = set(self.commands())
        for page in ["README.md", "docs/commands.md", "CONTRIBUTING.md", "docs/architecture.md"]:
            text = (SOURCE / page).read_text()
            in_blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S))
            for name in re.findall(r"`varve ([a-z]+)\b", text) + re.findall(r"^varve ([a-z]+)\b", in_blocks, re.M):
                self.assertIn(name, known, page)

    def test_commands_on_the_pages_have_the_options_that_they_use(self):
        used = 0
        for page in [SOURCE / "README.md", *SOURCE.glob("docs/*.md")]:
            blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)).replace("\\\n", " ")
            for name, rest in re.findall(r"^(?:\w+=\S+ )*varve ([a-z]+)\b([^#\n]*)", blocks, re.M):
                told = run(BINARY, name, "--help").stdout
                for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
                    self.assertRegex(told, rf"(?m)^  (?:-\w,)?{option}\b(?!-)", f"{page}: varve {name}{rest}")
                used += 1
        self.assertGreaterEqual(used, 10)

    def test_recipes_of_the_quality_table_are_ones(self):
        spec = importlib.util.spec_from_file_location("convert_table", SOURCE / "tools/quality/convert_table.py")
        table = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(table)
        page = (SOURCE / "docs/quality.md").read_text()
        for recipe in table.RECIPES:
            done = run(BINARY, "convert", SOURCE / "tests/cases/golden/llama-head-dim", "--dry-run", *recipe.split())
            self.assertEqual(done.returncode, 0, f"{recipe}\n{done.stderr}")
            self.assertIn(f"| `{recipe}` |", page)

    def commands(self):
        listed = run(BINARY, "--help").stdout.split("Subcommands:")[1].split("\n\n")[0]
        return re.findall(r"^  ([a-z]+) ", listed, re.M)

    def test_every_command_and_option_is_documented(self):
        page = (SOURCE / "docs/commands.md").read_text()
        commands = self.commands()
        self.assertGreaterEqual(len(commands), 10)
        for command in commands:
            self.assertRegex(page, rf"\b{command}\b")
            for option in re.findall(r"^  (?:-\w,)?(--[a-z-]+)", run(BINARY, command, "--help").stdout, re.M):
                self.assertIn(option, page, f"varve {command} {option}")

    def test_bash_completion_completes(self):
        script = ('source <(varve completion bash); complete_with() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  '_varve; echo "${COMPREPLY[@]}"; }; complete_with varve ru; complete_with varve run --temp; '
                  'complete_with varve pull smo; complete_with varve families sh; '
                  'complete_with varve families show qwen3_m; complete_with varve completion z')
        done = run("bash", "-c", script)
        self.assertEqual(done.stdout.split(), ["run", "--temperature", "smollm2", "show", "qwen3_moe", "zsh"], done.stderr)

    def test_links_lead_somewhere(self):
        for page in [*SOURCE.glob("*.md"), *SOURCE.glob("docs/**/*.md")]:
            for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
                if not target.startswith("http"):
                    self.assertTrue((page.parent / target).exists(), f"{page}: {target}")

    def test_example_has_the_length_that_the_readme_says(self):
        said = int(re.search(r"a whole program of (\d+) lines", (SOURCE / "README.md").read_text())[1])
        self.assertEqual(said, (SOURCE / "examples/embed/main.cpp").read_text().count("\n"))

    def test_readme_is_short(self):
        self.assertLessEqual((SOURCE / "README.md").read_text().count("\n"), 100)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
