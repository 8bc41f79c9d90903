"""Checkpoints quantised in Hugging Face's own layouts: fp8 blocks (DeepSeek V3), mxfp4 experts (gpt-oss), ternary BitNet.

The reference is Transformers in float64 on the decoded weights, as for MLX's formats.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable
from unittest import mock

import mlx.core as mx
import mlx_lm.utils
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, BitNetQuantConfig, Mxfp4Config
from transformers.integrations import bitnet

import dense_families
import expert_families
import maker
import mlx_format
import reference
from case import Case, merged

READER_DISTANCE = 2e-2  # of the logits' RMS, to another reader of the same directory
Tensors = dict[str, torch.Tensor]
REFERENCE = "transformers {}, float64, eager attention, on weights decoded in float64 and rounded to float32"


@dataclass(frozen=True)
class PackedCase:
    base: Case
    quantization: dict[str, Any]  # quantization_config of config.json
    pack: Callable[[Tensors], tuple[Tensors, Tensors]]  # hub tensors -> (as stored, as decoded)
    check: Callable[[Path, list[int]], np.ndarray]  # logits by another reader


def family_case(name: str) -> Case:
    return next(case for case in (*dense_families.cases(), *expert_families.cases()) if case.name == name)


def cases() -> list[PackedCase]:
    v3, oss = family_case("deepseek_v3-groups"), family_case("gpt_oss-bf16")
    fp8 = dataclasses.replace(
        v3,
        name="deepseek_v3-fp8",
        config=merged(
            v3.config,
            {
                "intermediate_size": 132,
                "n_group": 2,
                "n_routed_experts": 4,
                "num_experts_per_tok": 2,
                "topk_group": 2,
            },
        ),
        about="fp8 (e4m3) weights with one float32 weight_scale_inv per block of 128 x 128, the last blocks cut short",
        must_matter={},
        note="The last block of a row or column is cut short, as in DeepSeek's own kernels and in mlx-lm. Transformers 5.23"
        " divides such a matrix evenly among its scales instead, and reads other weights.",
    )
    mxfp4 = dataclasses.replace(
        oss,
        name="gpt_oss-mxfp4",
        about="As OpenAI released it: expert matrices in mxfp4 as *_blocks and *_scales, output rows first; the rest bfloat16",
        must_matter={},
        must_not_matter={},
    )
    block = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}
    kept = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    return [
        PackedCase(fp8, block, pack_fp8, mlx_logits),
        PackedCase(mxfp4, {"modules_to_not_convert": kept, "quant_method": "mxfp4"}, pack_mxfp4, transformers_logits),
        *bitnet_cases(),
    ]


def bitnet_cases() -> list[PackedCase]:
    base = family_case("bitnet-sub-norms")

    def case(name: str, about: str, quantization: dict[str, Any], pack: Any) -> PackedCase:
        note = "Transformers also rounds activations to 8 bits; neither the reference nor the other reader does so here."
        plain = dataclasses.replace(base, name=name, about=about, must_matter={}, note=note)
        return PackedCase(plain, {"quant_method": "bitnet", **quantization}, pack, bitnet_logits)

    auto = {"linear_class": "autobitlinear"}
    return [
        case(
            "bitnet-packed",
            "As Microsoft released it: four rows of ternary codes in one row of bytes, times a weight_scale; embedding bfloat16",
            {**auto, "quantization_mode": "offline"},
            partial(pack_ternary, divides=False),
        ),
        case(
            "bitnet-divided",
            "The same bytes for 'bitlinear' layers, whose codes are divided by weight_scale",
            {"modules_to_not_convert": None},
            partial(pack_ternary, divides=True),
        ),
        case(
            "bitnet-online",
            "Plain weights that the config wants made ternary wherever they are used, but for one kind of layer",
            {**auto, "modules_to_not_convert": ["lm_head", "k_proj"], "quantization_mode": "online"},
            ternary_online,
        ),
    ]


def pack_fp8(tensors: Tensors) -> tuple[Tensors, Tensors]:
    stored, decoded = {}, {}
    for name, tensor in tensors.items():
        if not name.endswith("_proj.weight") and "kv_a_proj_with_mqa" not in name:
            stored[name] = tensor
            decoded[name] = tensor.float()
            continue
        wide = tensor.double()
        rows, columns = wide.shape
        scales = torch.empty(-(-rows // 128), -(-columns // 128), dtype=torch.float32)
        packed = torch.empty(rows, columns, dtype=torch.float8_e4m3fn)
        back = torch.empty_like(wide)
        for i in range(scales.shape[0]):
            for j in range(scales.shape[1]):
                here = (slice(128 * i, 128 * i + 128), slice(128 * j, 128 * j + 128))
                scales[i, j] = wide[here].abs().max() / 448.0
                packed[here] = (wide[here] / scales[i, j].double()).to(torch.float8_e4m3fn)
                back[here] = packed[here].double() * scales[i, j].double()
        stored[name], stored[f"{name}_scale_inv"] = packed, scales
        decoded[name] = back.float()
    return stored, decoded


def pack_mxfp4(tensors: Tensors) -> tuple[Tensors, Tensors]:
    stored, decoded = {}, {}
    for name, tensor in tensors.items():
        if not re.search(r"experts\.(gate_up|down)_proj$", name):
            stored[name] = tensor
            decoded[name] = tensor.float()
            continue
        rows = mx.array(tensor.float().transpose(1, 2).contiguous().numpy())  # [E, out, in]
        words, scales = (np.array(part) for part in mx.quantize(rows, 32, 4, mode="mxfp4"))
        blocks = words.view(np.uint8).reshape(*scales.shape, 16)
        stored[f"{name}_blocks"] = torch.from_numpy(blocks.copy())
        stored[f"{name}_scales"] = torch.from_numpy(scales.copy())
        back = mlx_format.dequantise("mxfp4", words, scales, None, 4).astype(np.float32)
        decoded[name] = torch.from_numpy(back).transpose(1, 2).contiguous()
    return stored, decoded


def pack_ternary(tensors: Tensors, divides: bool) -> tuple[Tensors, Tensors]:
    stored, decoded = {}, {}
    for name, tensor in tensors.items():
        decoded[name] = tensor.float()
        if not name.endswith("_proj.weight"):
            stored[name] = tensor
            continue
        wide = tensor.double()
        step = wide.abs().mean()
        codes = (wide / step).round().clamp(-1, 1)
        scale = (1 / step if divides else step).to(torch.bfloat16)
        stored[name] = bitnet.pack_weights(codes.clone())
        stored[f"{name}_scale"] = scale.reshape(1)
        decoded[name] = (codes / scale.double() if divides else codes * scale.double()).float()
    return stored, decoded


def ternary_online(tensors: Tensors) -> tuple[Tensors, Tensors]:
    made = [name for name in tensors if name.endswith("_proj.weight") and "k_proj" not in name]
    decoded = {name: tensor.float() for name, tensor in tensors.items()}
    decoded |= {name: bitnet.WeightQuant.apply(tensors[name]).float() for name in made}
    return tensors, decoded


def bitnet_logits(folder: Path, ids: list[int]) -> np.ndarray:
    """The directory through Transformers' own linear layers, without their rounding of activations."""
    config = json.loads((folder / "config.json").read_text())
    quantization = BitNetQuantConfig(**config.pop("quantization_config"))
    tensors = load_file(folder / "model.safetensors")
    with tempfile.TemporaryDirectory() as scratch:
        maker.write_json(Path(scratch) / "config.json", config)
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(scratch), dtype=torch.float32, attn_implementation="eager"
        )
    kept = quantization.modules_to_not_convert or ["lm_head"]
    bitnet.replace_with_bitnet_linear(model, kept, quantization)
    for name, tensor in tensors.items():
        if quantization.linear_class == "autobitlinear" and tensor.dtype == torch.uint8:
            tensors[name] = bitnet.unpack_weights(tensor, torch.float32)
        elif tensor.dtype != torch.uint8:
            tensors[name] = tensor.float()
    model.load_state_dict(tensors, strict=False, assign=True)
    model.tie_weights()
    online = bitnet.WeightQuant.apply  # rounds to the dtype in which the weights are stored
    plain = {
        (bitnet.WeightQuant, "apply"): lambda weight: online(weight.to(torch.bfloat16)).float(),
        (bitnet.ActQuant, "apply"): lambda activation: activation,
        (bitnet.BitLinear, "activation_quant"): lambda self, activation: (activation, torch.ones(())),
    }
    with contextlib.ExitStack() as patches:
        for (owner, name), function in plain.items():
            patches.enter_context(mock.patch.object(owner, name, function))
        return reference.logits_of(model.eval(), ids)


def write_packed(name: str) -> Callable[[Path], None]:
    """What turns a plain checkpoint directory into the packed one of this name."""

    def prepare(folder: Path) -> None:
        case = next(case for case in cases() if case.base.name == name)
        stored, _ = case.pack(load_file(folder / "model.safetensors"))
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((folder / "config.json").read_text())
        maker.write_json(folder / "config.json", {**config, "quantization_config": case.quantization})

    return prepare


def transformers_logits(folder: Path, ids: list[int]) -> np.ndarray:
    """The directory as Transformers itself reads and decodes it: mxfp4 without a loss."""
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        quantization_config=Mxfp4Config(dequantize=True),
        attn_implementation="eager",
        experts_implementation="eager",
    )
    return reference.logits_of(model.eval(), ids)


def mlx_logits(folder: Path, ids: list[int]) -> np.ndarray:
    """The directory as mlx-lm reads it, which rounds decoded fp8 weights to bfloat16."""
    model, _ = mlx_lm.utils.load_model(folder)
    model.set_dtype(mx.float32)
    return np.array(model(mx.array([ids]))[0].astype(mx.float32))


def make(case: PackedCase, out: Path) -> None:
    base, folder = case.base, out / case.base.name
    folder.mkdir(parents=True, exist_ok=True)

    def one_attempt(attempt: int) -> tuple[dict[str, Any], np.ndarray]:
        ids = maker.prompt_of(base, attempt)
        with tempfile.TemporaryDirectory() as scratch:
            hub, plain = Path(scratch) / "model.safetensors", Path(scratch) / "decoded.safetensors"
            maker.write_weights(base, attempt, hub)
            stored, decoded = case.pack(load_file(hub))
            save_file(decoded, plain)
            logits, measured = maker.answers(base, reference.load(base.config, plain).double(), ids)
            model = reference.load(base.config, plain)
            single = reference.logits_of(model, ids)
            weakest = maker.check_weights(base, model, ids, single)
            modern = maker.modern_config(base, reference.load(base.config, plain), ids, single, plain)
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        for name, config in (("config.json", base.config), ("config.transformers5.json", modern)):
            maker.write_json(folder / name, {**config, "quantization_config": case.quantization})
        distance = reference.rms(case.check(folder, ids) - logits) / measured["logits_rms"]
        if not distance < READER_DISTANCE:
            raise ValueError(f"{base.name}: another reader differs by {distance:.1e} of the logits' RMS")
        return {
            "about": base.about,
            "reference": REFERENCE.format(reference.transformers.__version__),
            "stored_dtype": base.dtype,
            **measured,
            "other_reader_distance": float(f"{distance:.1e}"),
            "weakest_weight": weakest,
            "attempt": attempt,
            **({"note": base.note} if base.note else {}),
        }, logits

    maker.search(base.name, one_attempt, folder)
