"""Checkpoints as mlx-lm writes them: quantised words, per-layer overrides, stacked experts, unaligned data.

The reference is Transformers in float64 on the weights that mlx_format.py decodes; mlx-lm itself reads each directory as a check.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import mlx.core as mx
import mlx.nn as nn
import mlx_lm.utils
import numpy as np
import torch
from safetensors.torch import load_file, save_file

import maker
import mlx_format
import reference
from case import Case, merged, uniform
from first_light import gemma3_config, llama_config, phi3_config, qwen_config
from mlx_layouts import hub_layout

mx.set_default_device(mx.cpu)

MODE_DEFAULTS = {"affine": (64, 4), "mxfp4": (32, 4), "nvfp4": (16, 4), "mxfp8": (32, 8)}
MLX_DISTANCE = 1e-3  # of the logits' RMS: mlx-lm in float32 on the same words
REFERENCE = "transformers {}, float64, eager attention, on weights decoded in float64 and rounded to float32"


@dataclass(frozen=True)
class MlxCase:
    base: Case
    default: dict[str, Any] | None  # "quantization" of config.json without the overrides; None: not quantised
    overrides: dict[str, Any] = field(default_factory=dict)  # module path -> the entry as config.json holds it
    must_be_unaligned: bool = False
    prepare: Callable[[Path], None] | None = None  # turns the hub's checkpoint into an already quantised one
    mlx_cannot_run: bool = False  # MLX lacks an operation of this case on CPUs: only its decoding is compared


def cases() -> list[MlxCase]:
    return [*affine_cases(), *float_cases(), *override_cases(), *family_cases()]


# ---- weights ----------------------------------------------------------------------------------------------------


def uneven(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Runs of 16 inputs of very different size, some all zero: small scales, subnormal scales, empty groups."""
    values = 1.4 / np.sqrt(shape[-1]) * rng.standard_normal(shape)
    runs = rng.choice(
        [1.0, 1.0, 0.25, 2.0**-6, 0.0], p=[0.5, 0.28, 0.1, 0.1, 0.02], size=(*shape[:-1], shape[-1] // 16)
    )
    values *= np.repeat(runs, 16, axis=-1)
    if len(shape) == 2:
        values[0, :128] = 0.0  # a row whose every group is empty
        values[1] = np.abs(values[1]) + 0.01  # and rows of one sign
        values[2] = -np.abs(values[2]) - 0.01
    return values


UNEVEN = {r"(proj|lm_head)\.weight$": uneven}


def wide_llama(name: str, about: str, dtype: str, layers: int = 1, **case: Any) -> Case:
    config = llama_config(
        dtype,
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=layers,
        vocab_size=128,
        tie_word_embeddings=case.pop("tied", False),
    )
    return Case(f"mlx-{name}", config, about, dtype, draws=UNEVEN, **case)


LLAMA_MODULES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
LLAMA_MODULES += ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


# ---- cases ------------------------------------------------------------------------------------------------------


def affine_cases() -> list[MlxCase]:
    """Three files whose modules together hold every width and group with every scale dtype but two each."""
    pairs = [(bits, group) for group in (32, 64, 128) for bits in (2, 3, 4, 5, 6, 8)]
    paths = ["model.embed_tokens", "lm_head"]
    paths += [f"model.layers.{layer}.{module}" for layer in range(2) for module in LLAMA_MODULES]
    made = []
    for turn, (short, dtype) in enumerate({"f16": "float16", "bf16": "bfloat16", "f32": "float32"}.items()):
        mine = {path: pairs[(index + 7 * turn) % len(pairs)] for index, path in enumerate(paths)}
        overrides = {
            path: {"group_size": group, "bits": bits, "mode": "affine"}
            for path, (bits, group) in mine.items()
            if (bits, group) != (4, 64)
        }
        missing = sorted(set(pairs) - set(mine.values()))
        about = (
            f"Affine words of all widths and groups but (bits, group) {missing}; scales, biases and norms in {dtype}"
        )
        made.append(MlxCase(wide_llama(f"affine-{short}", about, dtype, 2), affine(4, 64), overrides))
    return made


def affine(bits: int, group: int) -> dict[str, Any]:
    return {"group_size": group, "bits": bits, "mode": "affine"}


def whole(mode: str) -> dict[str, Any]:
    group, bits = MODE_DEFAULTS[mode]
    return {"group_size": group, "bits": bits, "mode": mode}


def float_cases() -> list[MlxCase]:
    mixed = {
        "model.embed_tokens": False,
        "lm_head": {"bits": 8},
        "model.layers.0.self_attn.q_proj": whole("nvfp4"),
        "model.layers.0.self_attn.v_proj": whole("mxfp8"),
        "model.layers.0.mlp.gate_proj": affine(5, 32),
        "model.layers.0.mlp.up_proj": False,
    }
    return [
        MlxCase(wide_llama("mxfp4", "mxfp4 throughout, bfloat16 norms", "bfloat16"), whole("mxfp4")),
        MlxCase(
            wide_llama("nvfp4", "nvfp4 throughout with subnormal e4m3 scales, float16 norms", "float16"), whole("nvfp4")
        ),
        MlxCase(
            wide_llama(
                "mxfp8", "mxfp8 throughout; the quantised embedding is the output head as well", "bfloat16", tied=True
            ),
            whole("mxfp8"),
        ),
        MlxCase(
            wide_llama(
                "modes-mixed",
                "mxfp4 by default, other modes by override; {'bits': 8} without mode is affine, group 64; two entries false",
                "float16",
            ),
            whole("mxfp4"),
            mixed,
        ),
    ]


def override_cases() -> list[MlxCase]:
    old = {"group_size": 32, "bits": 4}  # before modes existed
    overrides = {
        "model.embed_tokens": {"bits": 8},
        "lm_head": {"group_size": None, "bits": 6, "mode": "affine"},
        "model.layers.0.self_attn.k_proj": False,
        "model.layers.0.self_attn.q_proj": True,
        "model.layers.0.self_attn.v_proj": {"group_size": 128, "bits": 3},
        "model.layers.0.mlp.down_proj": {"group_size": None, "bits": 6},
    }
    return [
        MlxCase(
            wide_llama(
                "overrides",
                "No mode anywhere, default group 32; overrides: bits alone and a null group (both group 64), true, false",
                "bfloat16",
            ),
            old,
            overrides,
        )
    ]


def family_cases() -> list[MlxCase]:
    qwen2 = qwen_config("qwen2", "float16", hidden_size=128, intermediate_size=128, num_hidden_layers=1, vocab_size=128)
    qwen2["tie_word_embeddings"] = True
    moe = qwen_config(
        "qwen3_moe",
        "bfloat16",
        decoder_sparse_step=1,
        head_dim=32,
        intermediate_size=128,
        mlp_only_layers=[0],
        moe_intermediate_size=64,
        norm_topk_prob=True,
        num_experts=4,
        num_experts_per_tok=2,
        sliding_window=None,
        vocab_size=128,
    )
    gates = {"model.layers.1.mlp.gate": {"group_size": 64, "bits": 8}}
    stacked = {
        f"model.layers.1.mlp.switch_mlp.{name}": {**whole("nvfp4"), "global_scale": True}
        for name in ("gate_proj", "up_proj", "down_proj")
    }
    gemma = gemma3_config("bfloat16", hidden_size=64, num_hidden_layers=3, sliding_window_pattern=3, head_dim=32)
    return [
        MlxCase(
            Case(
                "mlx-qwen2",
                qwen2,
                "4-bit, group 64, tied; q, k and v have a linear `bias` beside the words' `biases`",
                "float16",
            ),
            affine(4, 64),
        ),
        MlxCase(
            Case(
                "mlx-qwen3_moe",
                moe,
                "Experts stacked into switch_mlp, 4-bit; the router 8-bit, group 64; first layer dense",
                must_matter={"experts": {"num_experts_per_tok": 1}},
            ),
            affine(4, 32),
            gates,
        ),
        MlxCase(
            Case(
                "mlx-qwen3_moe-nvfp4-global",
                merged(moe, {"torch_dtype": "float16"}),
                "nvfp4 experts with `global_scale`, one float32 per expert: the factor is global_scale / 2688",
                "float16",
            ),
            whole("nvfp4"),
            {**gates, **stacked},
            mlx_cannot_run=True,
        ),
        MlxCase(
            Case(
                "mlx-gemma3_text",
                gemma,
                "3-bit and 6-bit words; norm weights stay minus one, as in the hub's layout",
                norm_offset=1.0,
                draws={r"embed_tokens\.weight$": uniform(-0.3, 0.3)},
            ),
            affine(6, 64),
            {f"model.layers.{layer}.mlp.{name}_proj": affine(3, 32) for layer in range(3) for name in ("gate", "up")},
        ),
        MlxCase(
            Case(
                "mlx-phi3-dense",
                phi3_config("bfloat16", num_hidden_layers=1, vocab_size=128),
                "Not quantised, written by MLX: tensor data begin at an odd offset",
            ),
            None,
            must_be_unaligned=True,
        ),
    ]


# ---- making -----------------------------------------------------------------------------------------------------


def settings(case: MlxCase, path: str) -> dict[str, Any]:
    """What mlx-lm's reader makes of a module: the override with its mode's defaults, else the top-level entry."""
    entry = case.overrides.get(path, True)
    chosen = entry if isinstance(entry, dict) else case.default or {}
    mode = chosen.get("mode", "affine")
    group, bits = MODE_DEFAULTS[mode]
    return {"mode": mode, "group_size": chosen.get("group_size") or group, "bits": chosen.get("bits") or bits}


def write_checkpoint(case: MlxCase, hub: Path, folder: Path) -> None:
    model, _ = mlx_lm.utils.load_model(hub)

    def predicate(path: str, module: nn.Module) -> bool | dict[str, Any]:
        if not hasattr(module, "to_quantized"):
            return False
        entry = case.overrides.get(path, True)
        return dict(entry) if isinstance(entry, dict) else entry

    if case.default and not case.prepare:
        nn.quantize(model, class_predicate=predicate, **case.default)
    mlx_lm.utils.save_model(folder, model)
    write_config(case, case.base.config, folder / "config.json")


def write_config(case: MlxCase, config: dict[str, Any], path: Path) -> None:
    config = dict(config)
    if case.default:
        config["quantization"] = {**case.default, **case.overrides}
    mlx_lm.utils.save_config(config, path)


def as_numpy(array: mx.array) -> np.ndarray:
    return np.array(array.astype(mx.float32) if array.dtype == mx.bfloat16 else array)


def decoded(case: MlxCase, path: Path) -> dict[str, torch.Tensor]:
    """The checkpoint's tensors under the hub's names, decoded in float64, rounded to float32."""
    stored = {name: as_numpy(array) for name, array in mx.load(str(path)).items()}
    plain: dict[str, np.ndarray] = {}
    for name, values in stored.items():
        module, _, leaf = name.rpartition(".")
        if leaf in ("scales", "biases", "global_scale"):
            continue
        if leaf == "weight" and f"{module}.scales" in stored:
            how = settings(case, module)
            factor = stored.get(f"{module}.global_scale")
            scales, biases = stored[f"{module}.scales"], stored.get(f"{module}.biases")
            theirs = mlx_decoded(how, values, scales, biases, factor)
            wide = None if factor is None else factor.astype(np.float64) / 2688.0
            values = mlx_format.dequantise(how["mode"], values, scales, biases, how["bits"], wide)
            assert values.shape[-1] // scales.shape[-1] == how["group_size"], name
            assert np.abs(values - theirs).max() <= 1e-6 * np.abs(values).max(), name
        plain[name] = values
    return {
        name: torch.from_numpy(values.astype(np.float32))
        for name, values in hub_layout(case.base.config, plain).items()
    }


def mlx_decoded(how: dict[str, Any], words: np.ndarray, scales: np.ndarray, biases: Any, factor: Any) -> np.ndarray:
    """MLX's own decoding in float32."""
    sizes = {"group_size": how["group_size"], "bits": how["bits"], "mode": how["mode"], "dtype": mx.float32}
    if factor is not None:  # MLX takes one global scale at a time
        experts = zip(mx.array(words), mx.array(scales), mx.array(factor))
        return np.stack([np.array(mx.dequantize(w, s, global_scale=f, **sizes)) for w, s, f in experts])
    if biases is None:
        return np.array(mx.dequantize(mx.array(words), mx.array(scales), **sizes))
    scales, biases = (mx.array(values.astype(np.float32)) for values in (scales, biases))  # or it multiplies in float16
    return np.array(mx.dequantize(mx.array(words), scales, biases, **sizes))


def mlx_logits(folder: Path, ids: list[int]) -> np.ndarray:
    model, _ = mlx_lm.utils.load_model(folder)
    model.set_dtype(mx.float32)
    return np.array(model(mx.array([ids]))[0].astype(mx.float32))


def check_lossless(case: MlxCase, hub: dict[str, torch.Tensor], back: dict[str, torch.Tensor]) -> None:
    """Without quantisation the way there and back must give the hub's tensors, bit for bit."""
    hub = {name: tensor for name, tensor in hub.items() if name not in case.base.decoys}
    assert hub.keys() == back.keys(), hub.keys() ^ back.keys()
    for name, tensor in hub.items():
        if not torch.equal(tensor.float(), back[name]):
            raise ValueError(f"{case.base.name}: {name} does not come back from MLX's layout as it was")


def check_alignment(case: MlxCase, path: Path) -> None:
    start = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    if case.must_be_unaligned and start % 2 == 0:
        raise ValueError(f"{case.base.name}: data begin at {start}; the case is there for an odd offset")


def make(case: MlxCase, out: Path) -> None:
    folder = out / case.base.name
    folder.mkdir(parents=True, exist_ok=True)

    def one_attempt(attempt: int) -> tuple[dict[str, Any], np.ndarray]:
        ids = maker.prompt_of(case.base, attempt)
        with tempfile.TemporaryDirectory() as scratch:
            hub = Path(scratch)
            (hub / "config.json").write_text(json.dumps(case.base.config))
            maker.write_weights(case.base, attempt, hub / "model.safetensors")
            if case.prepare:
                case.prepare(hub)
            write_checkpoint(case, hub, folder)
            plain = hub / "decoded.safetensors"
            tensors = decoded(case, folder / "model.safetensors")
            if case.default is None:
                check_lossless(case, load_file(hub / "model.safetensors"), tensors)
            save_file(tensors, plain)
            logits, measured = maker.answers(case.base, reference.load(case.base.config, plain).double(), ids)
            model = reference.load(case.base.config, plain)
            single = reference.logits_of(model, ids)
            weakest = maker.check_weights(case.base, model, ids, single)
            maker.check_options(case.base, plain, ids, single)
            modern = maker.modern_config(case.base, reference.load(case.base.config, plain), ids, single, plain)
        check_alignment(case, folder / "model.safetensors")
        write_config(case, modern, folder / "config.transformers5.json")
        distance = None
        if not case.mlx_cannot_run:
            distance = reference.rms(mlx_logits(folder, ids) - logits) / measured["logits_rms"]
            if not distance < MLX_DISTANCE:
                raise ValueError(f"{case.base.name}: mlx-lm differs by {distance:.1e} of the logits' RMS")
        return {
            "about": case.base.about,
            "reference": REFERENCE.format(reference.transformers.__version__),
            "written_by": f"mlx-lm {mlx_lm.__version__}, mlx {mx.__version__}",
            "stored_dtype": case.base.dtype,
            **measured,
            "mlx_lm_distance": None if distance is None else float(f"{distance:.1e}"),
            "weakest_weight": weakest,
            "attempt": attempt,
            **({"note": case.base.note} if case.base.note else {}),
        }, logits

    maker.search(case.base.name, one_attempt, folder)
