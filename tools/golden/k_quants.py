"""GGUF's K-quants, which the gguf library decodes and does not make: blocks from numbers, and what blocks mean.

    python tools/golden/k_quants.py     # writes tests/cases/k_quants/blocks.gguf

That file has, for each type, a tensor of random blocks (among them extreme and vanishing scales) and the same numbers
as the gguf library decodes them, in F32.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

BLOCK = 256
BYTES = {Type.Q2_K: 84, Type.Q3_K: 110, Type.Q4_K: 144, Type.Q5_K: 176, Type.Q6_K: 210}
BITS = {Type.Q2_K: 2, Type.Q3_K: 3, Type.Q4_K: 4, Type.Q5_K: 5, Type.Q6_K: 6}
HALVES = {Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,)}  # d, e


def halves(values: np.ndarray) -> np.ndarray:
    return values.astype("<f2").view(np.uint8).reshape(len(values), 2)


def pairs(codes: np.ndarray) -> np.ndarray:
    """Two bits each: byte l of 32 holds numbers l, 32 + l, 64 + l, 96 + l of 128."""
    four = codes.reshape(-1, 2, 4, 32)
    return (four[:, :, 0] | four[:, :, 1] << 2 | four[:, :, 2] << 4 | four[:, :, 3] << 6).reshape(-1, 64)


def nibbles(codes: np.ndarray) -> np.ndarray:
    two = codes.reshape(-1, 4, 2, 32)
    return (two[:, :, 0] | two[:, :, 1] << 4).reshape(-1, 128)


def bits(codes: np.ndarray) -> np.ndarray:
    """One bit each: bit i / 32 of byte i % 32."""
    return np.packbits(codes.reshape(-1, 8, 32), axis=1, bitorder="little").reshape(-1, 32)


def sixes(scales: np.ndarray, minima: np.ndarray) -> np.ndarray:
    """Eight scales and eight minima of 6 bits in 12 bytes."""
    low, high = scales[:, :4], scales[:, 4:]
    low_m, high_m = minima[:, :4], minima[:, 4:]
    return np.concatenate(
        [low | (high >> 4) << 6, low_m | (high_m >> 4) << 6, (high & 15) | (high_m & 15) << 4], axis=1
    )


def sixteen_sixes(scales: np.ndarray) -> np.ndarray:
    """Sixteen of 6 bits in 12 bytes."""
    low, high = scales & 15, (scales >> 4).reshape(-1, 4, 4)
    top = high[:, 0] | high[:, 1] << 2 | high[:, 2] << 4 | high[:, 3] << 6
    return np.concatenate([low[:, :8] | low[:, 8:] << 4, top], axis=1)


def with_minima(groups: np.ndarray, code_bits: int, scale_bits: int) -> tuple[np.ndarray, ...]:
    """[blocks, groups, inputs] -> d, e, s, m, codes of code * (d * s) - e * m."""
    most = (1 << code_bits) - 1
    top = (1 << scale_bits) - 1
    low = np.minimum(groups.min(axis=2), 0)
    d = ((groups.max(axis=2) - low).max(axis=1) / most / top).astype(np.float16).astype(np.float64)
    e = (-low.min(axis=1) / top).astype(np.float16).astype(np.float64)
    s = np.clip(np.ceil((groups.max(axis=2) - low) / most / np.maximum(d, 1e-30)[:, None]), 0, top)
    m = np.clip(np.rint(-low / np.maximum(e, 1e-30)[:, None]), 0, top)
    step = np.maximum(d[:, None] * s, 1e-30)
    codes = np.clip(np.rint((groups + (e[:, None] * m)[:, :, None]) / step[:, :, None]), 0, most)
    return d, e, s.astype(np.uint8), m.astype(np.uint8), codes.astype(np.uint8).reshape(-1, BLOCK)


def centred(groups: np.ndarray, code_bits: int, top: int) -> tuple[np.ndarray, ...]:
    """[blocks, 16, 16] -> d, s, codes of (code - 2^(bits-1)) * (d * s), s from -top to top. Signs of s take turns."""
    centre = 1 << (code_bits - 1)
    most = np.abs(groups).max(axis=2)
    d = (most.max(axis=1) / (centre - 1) / top).astype(np.float16).astype(np.float64)
    s = np.clip(np.ceil(most / (centre - 1) / np.maximum(d, 1e-30)[:, None]), 1, top)
    s = s * np.where(np.arange(s.shape[1]) % 2 == 0, 1, -1)
    step = np.maximum(d, 1e-30)[:, None] * s
    codes = np.clip(np.rint(groups / step[:, :, None]) + centre, 0, 2 * centre - 1)
    return d, s.astype(np.int8), codes.astype(np.uint8).reshape(-1, BLOCK)


def quantize(values: np.ndarray, kind: Type) -> np.ndarray:
    """Rows of numbers as blocks, uint8 [..., bytes of a row]: plain rounding, not the search that llama.cpp makes."""
    assert values.shape[-1] % BLOCK == 0
    blocks = values.astype(np.float64).reshape(-1, BLOCK)
    groups = blocks.reshape(len(blocks), -1, 32 if kind in (Type.Q4_K, Type.Q5_K) else 16)
    if kind == Type.Q2_K:
        d, e, s, m, codes = with_minima(groups, 2, 4)
        parts = [s | m << 4, pairs(codes), halves(d), halves(e)]
    elif kind == Type.Q3_K:
        d, s, codes = centred(groups, 3, 31)
        parts = [bits(codes >> 2), pairs(codes & 3), sixteen_sixes((s + 32).astype(np.uint8)), halves(d)]
    elif kind == Type.Q4_K:
        d, e, s, m, codes = with_minima(groups, 4, 6)
        parts = [halves(d), halves(e), sixes(s, m), nibbles(codes)]
    elif kind == Type.Q5_K:
        d, e, s, m, codes = with_minima(groups, 5, 6)
        parts = [halves(d), halves(e), sixes(s, m), bits(codes >> 4), nibbles(codes & 15)]
    else:
        d, s, codes = centred(groups, 6, 127)
        low = codes.reshape(-1, 2, 2, 64) & 15
        low = (low[:, :, 0] | low[:, :, 1] << 4).reshape(-1, 128)
        parts = [low, pairs(codes >> 4), s.view(np.uint8), halves(d)]
    data = np.concatenate(parts, axis=1)
    assert data.shape[1] == BYTES[kind]
    return data.reshape(*values.shape[:-1], -1)


def random_blocks(kind: Type, count: int, random: np.random.Generator) -> np.ndarray:
    """Any bytes are blocks, so long as their float16 are finite: ordinary ones, and in turn the extreme."""
    data = random.integers(0, 256, (count, BYTES[kind]), dtype=np.uint8)
    extreme = [65504.0, -65504.0, 2.0**-24, 0.0, 2.0**-14, -1.0]
    for place in HALVES[kind]:
        d = random.normal(0, 1e-3, count).astype(np.float16)
        d[: len(extreme)] = np.roll(extreme, place)
        data[:, place : place + 2] = halves(d)
    for block, fill in ((6, 0), (7, 255)):  # all codes and scales at their ends
        kept = [data[block, place : place + 2].copy() for place in HALVES[kind]]
        data[block] = fill
        for place, half in zip(HALVES[kind], kept):
            data[block, place : place + 2] = half
    return data


def main() -> None:
    path = Path(__file__).resolve().parents[2] / "tests/cases/k_quants/blocks.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20)
    writer = gguf.GGUFWriter(path, "blocks")
    for kind in BYTES:
        data = random_blocks(kind, 10, random).reshape(5, -1)
        values = gguf.quants.dequantize(data, kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        writer.add_tensor(f"{kind.name}.numbers", values.astype(np.float32))
        check = random.normal(0, 1, (4, 512))
        back = gguf.quants.dequantize(quantize(check, kind), kind)
        error = np.sqrt(np.mean((back - check) ** 2))
        assert error < 1.5 * 2.0 ** (2 - BITS[kind]), (kind, error)
        print(f"{kind.name}: rounding of normal numbers {error:.4f}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
