#!/usr/bin/env python3
"""Makes tests/cases/quantise/words.safetensors: numbers, and the words that MLX's quantiser makes of them on a GPU.

There is no GPU here, so the rules are written down once more, in NumPy, each with its twin of MLX's CPU path. The CPU
form must give MLX's own bits on every case and on many random matrices; the GPU form differs from it in Rules alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx_format import decode_e2m1, decode_e4m3, unpack
from safetensors.numpy import save_file

OUT = Path(__file__).resolve().parents[2] / "tests" / "cases" / "quantise" / "words.safetensors"
DTYPES = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}
COLS = 128
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
E4M3 = np.array([m / 8 * 2**-6 if e == 0 else (1 + m / 8) * 2.0 ** (e - 7) for e in range(16) for m in range(8)][:127], np.float32)


@dataclass(frozen=True)
class Rules:
    """In what MLX's implementations differ; the defaults are the GPU's."""

    top_from_zero: bool = True  # affine: the group's largest number is at least 0
    halves_away: bool = True  # affine: round() takes halves away from zero, else to even
    signed_zeros: bool = True  # fp4: codes are the nearest with ties to even and keep the sign of zero, else the first nearest in the order of codes
    zero_is_2_to_0: bool = False  # e8m0: the scale of a group of zeros is byte 127, else byte 0
    own_precision: bool = False  # floats: scales and quotients are computed in the matrix's dtype, else in float32
    by_reciprocal: bool = True  # nvfp4: numbers are multiplied with 1 / scale, else divided by it


GPU = Rules()
CPU = Rules(False, False, False, True, True, False)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """float32 values that the dtype holds."""
    values = values.astype(np.float32)
    if dtype == "f16":
        return values.astype(np.float16).astype(np.float32)
    if dtype == "bf16":
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return values


def stored(values: np.ndarray, dtype: str) -> np.ndarray:
    """The dtype's bytes, as unsigned integers."""
    if dtype == "f16":
        return values.astype(np.float16).view(np.uint16)
    if dtype == "bf16":
        return (rounded(values, "bf16").view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(np.float32).view(np.uint32)


def packed(codes: np.ndarray, bits: int) -> np.ndarray:
    stream = (codes[..., None] >> np.arange(bits)) & 1
    return np.packbits(stream.astype(np.uint8).reshape(codes.shape[0], -1), axis=-1, bitorder="little").view("<u4")


def affine(numbers: np.ndarray, bits: int, group: int, dtype: str, rules: Rules) -> dict[str, np.ndarray]:
    w = numbers.reshape(numbers.shape[0], -1, group)
    most, tiny = np.float32(2**bits - 1), np.float32(1e-7)

    def round_(x: np.ndarray) -> np.ndarray:
        if not rules.halves_away:
            return np.rint(x)
        whole = np.trunc(x)
        return whole + np.where(np.abs(x - whole) >= 0.5, np.copysign(np.float32(1), x), np.float32(0))

    low, top = w.min(-1, keepdims=True), w.max(-1, keepdims=True)
    if rules.top_from_zero:
        top = np.maximum(top, np.float32(0))
    at_low = np.abs(low) > np.abs(top)
    scale = np.maximum((top - low) / most, tiny)
    scale = np.where(at_low, scale, -scale)
    edge = np.where(at_low, low, top)
    steps = round_(edge / scale)
    some = steps != 0
    scale = np.where(some, edge / np.where(some, steps, np.float32(1)), scale)
    bias = np.where(some, edge, np.float32(0))
    codes = np.clip(round_((w - bias) / scale), np.float32(0), most).astype(np.int64)
    return {
        "words": packed(codes.reshape(numbers.shape), bits),
        "scales": stored(scale[..., 0], dtype),
        "biases": stored(bias[..., 0], dtype),
    }


def nearest(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Codes of the nearest numbers of a rising table, ties to the even code, saturating; the sign is kept above them."""
    size = np.minimum(np.abs(values).astype(np.float64), float(table[-1]))
    above = np.searchsorted(table.astype(np.float64), size)  # the first that is not smaller
    below = np.maximum(above - 1, 0)
    to_above, to_below = table[above] - size, size - table[below]
    up = (to_above < to_below) | ((to_above == to_below) & (above % 2 == 0))
    codes = np.where(up, above, below)
    return codes | np.where(np.signbit(values), len(table) if len(table) == 8 else 128, 0)


def first_nearest(values: np.ndarray, dtype: str) -> np.ndarray:
    table = np.concatenate([E2M1, -E2M1])
    return np.argmin(np.abs(rounded(values[..., None] - table, dtype)), -1)


def small_floats(mode: str, numbers: np.ndarray, dtype: str, rules: Rules) -> dict[str, np.ndarray]:
    bits, group = (8, 32) if mode == "mxfp8" else (4, 16 if mode == "nvfp4" else 32)
    step = dtype if rules.own_precision else "f32"
    w = numbers.reshape(numbers.shape[0], -1, group)
    size = rounded(np.abs(w).max(-1, keepdims=True) / np.float32(448 if bits == 8 else 6), step)
    if mode == "nvfp4":
        scales = nearest(size, E4M3)
        scale = E4M3[scales]
    else:
        mantissa, exponent = np.frexp(size)  # size = mantissa * 2^exponent, mantissa in [0.5, 1)
        power = np.maximum(exponent - (mantissa == 0.5), -127)
        power = np.where(size == 0, 0 if rules.zero_is_2_to_0 else -127, power)
        scales, scale = power + 127, np.ldexp(np.float32(1), power).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        if rules.by_reciprocal:
            inverse = np.where(scale == 0, np.float32(0), np.float32(1) / scale)
            quotient = rounded(w * inverse, step)
        else:
            quotient = rounded(w / scale, step)
    if bits == 8:
        codes = nearest(quotient, E4M3)
    elif rules.signed_zeros:
        codes = nearest(quotient, E2M1)
    else:
        codes = first_nearest(quotient, dtype)
    return {"words": packed(codes.reshape(numbers.shape), bits), "scales": scales[..., 0].astype(np.uint8)}


def quantised(mode: str, bits: int, group: int, dtype: str, numbers: np.ndarray, rules: Rules) -> dict[str, np.ndarray]:
    if mode == "affine":
        return affine(numbers, bits, group, dtype, rules)
    return small_floats(mode, numbers, dtype, rules)


def by_mlx(mode: str, bits: int, group: int, dtype: str, numbers: np.ndarray) -> dict[str, np.ndarray]:
    arrays = mx.quantize(mx.array(numbers).astype(DTYPES[dtype]), group_size=group, bits=bits, mode=mode)
    unsigned = mx.uint32 if dtype == "f32" else mx.uint16
    parts = [np.array(arrays[0]), np.array(arrays[1] if mode != "affine" else arrays[1].view(unsigned))]
    if mode == "affine":
        parts.append(np.array(arrays[2].view(unsigned)))
    return dict(zip(("words", "scales", "biases"), parts))


def formats() -> list[tuple[str, str, int, int, str]]:
    """name, mode, bits, group, dtype"""
    found = [
        (f"affine{bits}g{group}{dtype}", "affine", bits, group, dtype)
        for dtype in DTYPES
        for bits in (2, 3, 4, 5, 6, 8)
        for group in (32, 64, 128)
    ]
    for dtype in DTYPES:
        found += [(f"{mode}{dtype}", mode, bits, group, dtype) for mode, bits, group in (("mxfp4", 4, 32), ("nvfp4", 4, 16), ("mxfp8", 8, 32))]
    return found


def cases(dtype: str) -> np.ndarray:
    """[rows, COLS]: a row for each thing that can go wrong, then plain ones."""
    random = np.random.default_rng(5)
    plain = lambda scale: random.normal(0, scale, COLS)  # noqa: E731
    outlier = plain(0.02)
    outlier[77] = -3.0
    mixed = plain(0.5)
    mixed[:32] = -np.abs(mixed[:32])
    mixed[32:64] = np.abs(mixed[32:64])
    mixed[64:96] = 0
    mixed[96::2] = -0.0
    huge = {"f32": 1e38, "f16": 3e4, "bf16": 1e38}[dtype]
    rows = [
        np.zeros(COLS),
        -np.abs(plain(0.1)) - 0.05,
        np.abs(plain(0.1)) + 0.05,
        np.full(COLS, 0.3),
        np.full(COLS, -0.3),
        outlier,
        mixed,
        random.integers(-6, 16, COLS) / 2.0,  # halves: ties of codes
        np.tile(np.array([0.25, -0.75, 1.25, 1.75, -2.5, 3.5, 5, 6, -0.25, 0.75, -1.25, -1.75, 2.5, -3.5, -5, -6]), COLS // 16),
        plain(1e-8),
        plain(1e-30),
        plain(1e-39),
        np.clip(plain(1), -1, 1) * huge,
        plain(0.02),
        plain(1.0),
    ]
    return rounded(np.array(rows), dtype)


def differing(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> int:
    return sum(int((a[part] != b[part]).sum()) for part in a)


def check_against_mlx() -> None:
    """The CPU form is MLX's own; prints how often the GPU's rules give another word of an ordinary matrix."""
    random = np.random.default_rng(11)
    print(f"mlx {mx.__version__}; of a normal matrix of 256 x 4096, shares that are the same by the GPU's and the CPU's rules:")
    for name, mode, bits, group, dtype in formats():
        ordinary = rounded(random.normal(0, 0.02, (256, 4096)), dtype)
        hard = cases(dtype)
        if mode.startswith("mx") and dtype != "f16":
            # Below the least normal float32 MLX's logarithm on CPUs is wrong: it makes of 1e-39 the scale 2^126.
            size = np.abs(hard).max(-1)
            hard = hard[(size == 0) | (size > 1e-37)]
        for numbers in (hard, ordinary):
            wrong = differing(by_mlx(mode, bits, group, dtype, numbers), quantised(mode, bits, group, dtype, numbers, CPU))
            if wrong:
                raise SystemExit(f"{name}: the CPU form differs from MLX in {wrong} words, scales and biases")
        gpu, cpu = (quantised(mode, bits, group, dtype, ordinary, rules) for rules in (GPU, CPU))
        shares = {part: (gpu[part] == cpu[part]).mean() for part in gpu}
        if mode != "affine":  # words hold other signs of zeros
            decode = decode_e4m3 if mode == "mxfp8" else decode_e2m1
            shares["numbers"] = (decode(unpack(gpu["words"], bits)) == decode(unpack(cpu["words"], bits))).mean()
        print(f"  {name:16}", ", ".join(f"{part} {share:.5f}" for part, share in shares.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    check_against_mlx()
    tensors = {f"numbers.{dtype}": stored(cases(dtype), dtype) for dtype in DTYPES}
    for name, mode, bits, group, dtype in formats():
        for part, values in quantised(mode, bits, group, dtype, cases(dtype), GPU).items():
            tensors[f"{name}.{part}"] = np.ascontiguousarray(values)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, arguments.out)


if __name__ == "__main__":
    main()
