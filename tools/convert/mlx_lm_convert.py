"""Converts a checkpoint that may have no tokenizer with mlx-lm's own functions, in the order of its convert().

    mlx_lm_convert.py SOURCE DEST [--bits N] [--group-size N] [--mode M] [--recipe R] [--dtype D] [--dequantize]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_map_with_path
from mlx_lm.convert import MODEL_CONVERSION_DTYPES, mixed_quant_predicate_builder
from mlx_lm.utils import dequantize_model, load_model, quantize_model, save_config, save_model


def convert(source: Path, dest: Path, bits=None, group_size=None, mode="affine", recipe=None, dtype=None, dequantize=False):
    model, config = load_model(source, lazy=True)
    predicate = mixed_quant_predicate_builder(recipe, model, group_size) if recipe else None
    dtype = dtype or config.get("torch_dtype") or (config.get("text_config") or {}).get("dtype")
    if dtype in MODEL_CONVERSION_DTYPES:
        kind = getattr(mx, dtype)
        casts = getattr(model, "cast_predicate", lambda _: True)
        cast = lambda k, v: v.astype(kind) if casts(k) and mx.issubdtype(v.dtype, mx.floating) else v  # noqa: E731
        model.update(tree_map_with_path(cast, model.parameters()))
    if dequantize:
        config.pop("quantization", None)
        config.pop("quantization_config", None)
        model = dequantize_model(model)
    else:
        model, config = quantize_model(model, config, group_size, bits, mode=mode, quant_predicate=predicate)
    save_model(dest, model, donate_model=True)
    save_config(config, dest / "config.json")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("dest", type=Path)
    parser.add_argument("--bits", type=int)
    parser.add_argument("--group-size", type=int)
    parser.add_argument("--mode", default="affine")
    parser.add_argument("--recipe")
    parser.add_argument("--dtype")
    parser.add_argument("--dequantize", action="store_true")
    convert(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
