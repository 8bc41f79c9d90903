"""All cases in one list."""

from __future__ import annotations

import first_light
from case import Case


def all_cases() -> list[Case]:
    cases = first_light.cases()
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases share a name"
    return cases
