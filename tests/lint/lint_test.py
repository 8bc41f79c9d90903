#!/usr/bin/env python3
"""Each check of lint.py finds what it is there to find, and leaves clean text alone."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import lint

ARROWS = 'set(VARVE_ARROWS_core "")\nset(VARVE_ARROWS_ops core)\nset(VARVE_ARROWS_nn core ops)\n'


class LintTest(unittest.TestCase):
    def faults(self, check, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(lint.CHECKS[check](lint.Tree(folder)))

    def assert_fault(self, check, files, *parts):
        faults = self.faults(check, files)
        self.assertEqual(len(faults), 1, faults)
        for part in parts:
            self.assertIn(part, faults[0])

    def test_family_names(self):
        self.assert_fault("family_names", {"src/nn/a.cpp": 'int a;\nif (type == "qwen2") {}\n'}, "src/nn/a.cpp:2", "qwen2")
        self.assert_fault("family_names", {"apps/varve/a.cpp": "struct LlamaBlock {};\n"}, "llama")
        self.assert_fault("family_names", {"families/odd_one.toml": "", "src/nn/a.h": "int odd_one;\n"}, "odd_one")
        clean = {"src/text/syntax/a.cpp": 'auto s = "qwen";\n', "src/nn/a.cpp": "// as Llama has it\nint amphibian;\n",
                 "tests/nn/a.cpp": 'auto s = "llama";\n'}
        self.assertEqual(self.faults("family_names", clean), [])

    def test_isa_names(self):
        self.assert_fault("isa_names", {"src/nn/a.cpp": "void dot_avx2();\n"}, "avx2")
        self.assertEqual(self.faults("isa_names", {"src/kernels/cpu/a.cpp": "void dot_avx2();\n"}), [])

    def test_protocol_names(self):
        self.assert_fault("protocol_names", {"src/engine/a.cpp": "class OpenaiRequest;\n"}, "openai")
        self.assertEqual(self.faults("protocol_names", {"src/http/a.cpp": "class OpenaiRequest;\n"}), [])

    def test_file_sizes(self):
        self.assert_fault("file_sizes", {"src/nn/a.cpp": "\n" * 601}, "601 lines")
        self.assertEqual(self.faults("file_sizes", {"src/nn/a.cpp": "\n" * 600, "Cargo.lock": "\n" * 900}), [])

    def test_arrows(self):
        base = {"cmake/VarveArrows.cmake": ARROWS, "src/core/a.h": "", "src/ops/b.h": "",
                "src/core/CMakeLists.txt": "varve_module(core SOURCES a.cpp)",
                "src/ops/CMakeLists.txt": "varve_module(ops SOURCES b.cpp NEEDS core)",
                "src/nn/CMakeLists.txt": "varve_module(nn SOURCES c.cpp NEEDS ops LIBS fmt::fmt)"}
        self.assertEqual(self.faults("arrows", base | {"src/nn/c.cpp": '#include "core/a.h"\n'}), [])
        self.assert_fault("arrows", base | {"src/ops/c.h": '\n#include "nn/c.h"\n', "src/nn/c.h": ""},
                          "src/ops/c.h:2", "must not see src/nn")
        lacking = base | {"src/ops/CMakeLists.txt": "varve_module(ops SOURCES b.cpp)",
                          "src/ops/c.h": '#include "core/a.h"\n'}
        self.assert_fault("arrows", lacking, "does not need core")
        self.assert_fault("arrows", base | {"src/odd/a.h": ""}, "src/odd", "no line")

    def test_headers(self):
        self.assert_fault("headers", {"src/nn/a.h": "#pragma once\n#include <span>\n"}, "src/nn/a.h:1")
        self.assertEqual(self.faults("headers", {"src/nn/a.h": "#pragma once\n// What it is.\n"}), [])

    def test_words(self):
        self.assert_fault("words", {"src/nn/a.cpp": "// TO" + "DO later\n"}, "unfinished")
        self.assert_fault("words", {"docs/a.md": "see /ho" + "me/someone/x\n"}, "machine's path")
        self.assertEqual(self.faults("words", {"docs/a.md": "see ~/.cache/varve\n"}), [])

    def test_format(self):
        try:
            found = self.faults("format", {"src/nn/a.cpp": "int   a ;\n", ".clang-format": "BasedOnStyle: Google\n"})
        except SystemExit as end:
            self.assertEqual(end.code, lint.SKIPPED)
            self.skipTest("clang-format-14 is not here")
        self.assertEqual(len(found), 1)


if __name__ == "__main__":
    unittest.main()
