"""All cases in one list: name -> (case, what makes it in a given directory)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Callable

import first_light
import gguf_cases
import maker
import mlx_cases
from case import Case

Entry = tuple[Case, Callable[[Path], None]]


def all_cases() -> dict[str, Entry]:
    plain = [(case, partial(maker.make, case)) for case in first_light.cases()]
    quantised = [(case.base, partial(mlx_cases.make, case)) for case in mlx_cases.cases()]
    ggufs = [(case.base, partial(gguf_cases.make, case)) for case in gguf_cases.cases()]
    entries = [*plain, *quantised, *ggufs]
    named = {case.name: (case, make) for case, make in entries}
    assert len(named) == len(entries), "two cases share a name"
    return named
