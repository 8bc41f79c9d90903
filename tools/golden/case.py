"""What a golden case is: a config in the hub's spelling, how its weights are drawn, and what must matter in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

import numpy as np

Shape = tuple[int, ...]
Draw = Callable[[Shape, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One directory under tests/cases/golden. Everything in it follows from these fields alone."""

    name: str
    config: dict[str, Any]  # config.json, in the hub's spelling
    about: str  # one sentence: what this case is there to catch
    dtype: str = "bfloat16"  # how the weights are stored: bfloat16, float16 or float32
    prompt: int = 28  # tokens whose logits are kept
    greedy: int = 16  # tokens generated; 0 where no single answer exists (see note)
    norm_offset: float = 0.0  # 1.0 where the checkpoint stores norm weights minus one
    # Config edits that must change the logits: proof that the option is exercised.
    must_matter: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Config edits that must NOT change a bit: keys that the reference ignores.
    must_not_matter: dict[str, dict[str, Any]] = field(default_factory=dict)
    bits_may_move: tuple[str, ...] = ()  # entries of must_not_matter that may change the order of summation
    draws: dict[str, Draw] = field(default_factory=dict)  # regex on the parameter's name -> how to draw it
    keep_float32: tuple[str, ...] = ()  # regexes: tensors stored in float32 whatever dtype says
    rename: dict[str, str] = field(default_factory=dict)  # regex -> replacement on the names Transformers writes
    decoys: dict[str, Shape] = field(default_factory=dict)  # tensors that real files carry and that must be passed over
    may_sleep: tuple[str, ...] = ()  # regexes: parameters that may leave the logits unchanged
    note: str = ""  # goes to golden.json where a reader must know something
    seed: int = 1


def normal(std: float, mean: float = 0.0) -> Draw:
    return lambda shape, rng: mean + std * rng.standard_normal(shape)


def uniform(low: float, high: float) -> Draw:
    return lambda shape, rng: rng.uniform(low, high, shape)


ABSENT = object()  # as a value in `changes`: the key is not written at all, so that the family's default holds


def merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**config, **changes}.items() if value is not ABSENT}
