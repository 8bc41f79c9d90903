"""All cases in one list: name -> (case, what makes it in a given directory)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Callable

import dense_families
import expert_families
import first_light
import gguf_cases
import maker
import mlx_cases
import mlx_layout_cases
import packed_cases
import recurrent_families
from case import Case

Entry = tuple[Case, Callable[[Path], None]]


def all_cases() -> dict[str, Entry]:
    families = (first_light, dense_families, expert_families, recurrent_families)
    plain = [(case, partial(maker.make, case)) for family in families for case in family.cases()]
    quantised = [(case.base, partial(mlx_cases.make, case)) for case in (*mlx_cases.cases(), *mlx_layout_cases.cases())]
    ggufs = [(case.base, partial(gguf_cases.make, case)) for case in gguf_cases.cases()]
    packed = [(case.base, partial(packed_cases.make, case)) for case in packed_cases.cases()]
    entries = [*plain, *packed, *quantised, *ggufs]
    named = {case.name: (case, make) for case, make in entries}
    assert len(named) == len(entries), "two cases share a name"
    return named
