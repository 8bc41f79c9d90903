"""Decodes MLX's quantised tensors in float64, straight from the description of the format."""

from __future__ import annotations

import numpy as np

E2M1 = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def unpack(words: np.ndarray, bits: int) -> np.ndarray:
    """uint32 [..., n] -> codes [..., n * 32 / bits]: one bit stream per row, lowest bit first."""
    stream = np.unpackbits(np.ascontiguousarray(words.astype("<u4")).view(np.uint8), axis=-1, bitorder="little")
    codes = stream.reshape(*words.shape[:-1], -1, bits).astype(np.int64)
    return (codes << np.arange(bits)).sum(-1)


def decode_e2m1(codes: np.ndarray) -> np.ndarray:
    return np.where(codes & 8, -1.0, 1.0) * E2M1[codes & 7]


def decode_e4m3(codes: np.ndarray) -> np.ndarray:
    """One sign bit, four exponent bits of bias 7, three mantissa bits; 0x7f and 0xff are NaN, there is no infinity."""
    codes = codes.astype(np.int64)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    value = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7.0))
    value = np.where((codes & 127) == 127, np.nan, value)
    return np.where(codes & 128, -value, value)


def decode_e8m0(codes: np.ndarray) -> np.ndarray:
    return 2.0 ** (codes.astype(np.float64) - 127.0)


def dequantise(
    mode: str,
    words: np.ndarray,
    scales: np.ndarray,
    biases: np.ndarray | None,
    bits: int,
    global_scale: np.ndarray | None = None,
) -> np.ndarray:
    """float64 [..., in]. Scales and biases come as stored; the group size follows from the shapes."""
    codes = unpack(words, bits)
    group = codes.shape[-1] // scales.shape[-1]
    wide = lambda values: np.repeat(values.astype(np.float64), group, axis=-1)  # noqa: E731
    if mode == "affine":
        assert biases is not None
        return codes * wide(scales) + wide(biases)
    if mode == "mxfp4":
        return decode_e2m1(codes) * wide(decode_e8m0(scales))
    if mode == "mxfp8":
        return decode_e4m3(codes) * wide(decode_e8m0(scales))
    if mode == "nvfp4":
        values = decode_e2m1(codes) * wide(decode_e4m3(scales))
        if global_scale is not None:  # one per matrix: [E] for a stack of experts
            values *= global_scale.astype(np.float64).reshape(*global_scale.shape, 1, 1)
        return values
    raise ValueError(f"unknown mode '{mode}'")
