"""GGUF files as llama.cpp's converter and quantiser write them: its names, its metadata, its permutations.

The reference is Transformers in float64 on the decoded weights, brought back to the hub's layout.
"""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file, save_file

import expert_families
import k_quants
import maker
import reference
import tiny_tokenizers
from case import ABSENT, Case, merged, uniform
from first_light import gemma3_config, llama_config, phi3_config, qwen_config
from tiny_tokenizers import Vocabulary

REFERENCE = "transformers {}, float64, eager attention, on weights decoded by gguf {} and brought to the hub's layout"


@dataclass(frozen=True)
class GgufCase:
    base: Case
    architecture: str  # as GGUF calls it
    vocabulary: Vocabulary
    types: dict[str, Type]  # regex on the GGUF tensor name -> type; the first that matches; vectors are always F32
    file_type: gguf.LlamaFileType
    extra: dict[str, Any] = field(default_factory=dict)  # further metadata under the architecture's prefix
    alignment: int = 32


def cases() -> list[GgufCase]:
    return [*llama_cases(), *qwen_cases(), phi3_case(), gemma3_case(), gpt_oss_case(), deepseek_case()]


def made(name: str, about: str, config: dict[str, Any], **case: Any) -> Case:
    return Case(f"gguf-{name}", config, about, "float32", prompt=24, **case)


def llama_cases() -> list[GgufCase]:
    spm, smollm = tiny_tokenizers.sentence_piece(True), tiny_tokenizers.byte_level("smollm")
    llama3 = {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
        "rope_type": "llama3",
    }
    small = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
    return [
        GgufCase(
            made(
                "llama-f32",
                "F32 throughout, data aligned to 64, sentencepiece vocabulary, rows of q and k permuted",
                llama_config("float32", **small, vocab_size=spm.size, num_hidden_layers=1),
            ),
            "llama",
            spm,
            {"": Type.F32},
            gguf.LlamaFileType.ALL_F32,
            alignment=64,
        ),
        GgufCase(
            made(
                "llama-q8_0",
                "Q8_0 and F16 matrices; Llama 3.1's rotary scaling, which GGUF keeps as a tensor of factors (rope_freqs)",
                llama_config(
                    "float32",
                    vocab_size=smollm.size,
                    rope_scaling=llama3,
                    rope_theta=5000.0,
                    max_position_embeddings=256,
                    head_dim=32,
                    num_hidden_layers=1,
                ),
                must_matter={"scaling": {"rope_scaling": None}},
            ),
            "llama",
            smollm,
            {"token_embd": Type.F16, "": Type.Q8_0},
            gguf.LlamaFileType.MOSTLY_Q8_0,
        ),
        GgufCase(
            made(
                "llama-q4",
                "Q4_0 attention, Q4_1 feed-forward, a Q8_0 embedding that is the output head as well (no output.weight)",
                llama_config("float32", vocab_size=smollm.size, tie_word_embeddings=True),
            ),
            "llama",
            smollm,
            {"attn": Type.Q4_0, "ffn": Type.Q4_1, "": Type.Q8_0},
            gguf.LlamaFileType.MOSTLY_Q4_1,
        ),
        GgufCase(
            made(
                "llama-k",
                "Every K-quant; a Q8_0 matrix where a row is no multiple of 256, as llama.cpp chooses",
                llama_config(
                    "float32", **{**small, "hidden_size": 256, "intermediate_size": 256},
                    head_dim=32, vocab_size=smollm.size, num_hidden_layers=1, tie_word_embeddings=True,
                ),
            ),
            "llama",
            smollm,
            {
                "attn_q": Type.Q4_K,
                "attn_k": Type.Q5_K,
                "attn_v": Type.Q6_K,
                "attn_output": Type.Q8_0,
                "ffn_gate": Type.Q2_K,
                "ffn_up": Type.Q3_K,
                "ffn_down": Type.Q4_K,
                "": Type.Q6_K,
            },
            gguf.LlamaFileType.MOSTLY_Q4_K_M,
        ),
    ]


def qwen_cases() -> list[GgufCase]:
    qwen = tiny_tokenizers.byte_level("qwen2")
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    moe = {
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "moe_intermediate_size": 32,
        "norm_topk_prob": True,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 1,
        "sliding_window": None,
        "head_dim": 32,
        "vocab_size": qwen.size,
    }
    return [
        GgufCase(
            made(
                "qwen2-f16",
                "F16 matrices, F32 biases, YaRN in the metadata",
                qwen_config(
                    "qwen2", "float32", vocab_size=qwen.size, rope_scaling=yarn, num_hidden_layers=1, rope_theta=1e4
                ),
                must_matter={"scaling": {"rope_scaling": ABSENT}},
            ),
            "qwen2",
            qwen,
            {"": Type.F16},
            gguf.LlamaFileType.MOSTLY_F16,
        ),
        GgufCase(
            made(
                "qwen3-bf16",
                "BF16 matrices, query and key norms, head size 24 in attention.key_length",
                qwen_config("qwen3", "float32", vocab_size=qwen.size, num_hidden_layers=1),
            ),
            "qwen3",
            qwen,
            {"": Type.BF16},
            gguf.LlamaFileType.MOSTLY_BF16,
        ),
        GgufCase(
            made(
                "qwen3moe-q8_0",
                "Experts stacked in ffn_*_exps, an F32 router; that weights are renormalised is not in the file",
                qwen_config("qwen3_moe", "float32", **moe),
            ),
            "qwen3moe",
            qwen,
            {"ffn_gate_inp": Type.F32, "": Type.Q8_0},
            gguf.LlamaFileType.MOSTLY_Q8_0,
        ),
    ]


def phi3_case() -> GgufCase:
    spm = tiny_tokenizers.sentence_piece(True)
    longrope = {
        "type": "longrope",
        "long_factor": [1.1, 1.4, 2.0, 3.5, 5.0, 8.0, 12.0, 20.0],
        "short_factor": [1.0, 1.05, 1.3, 1.6, 1.9, 2.2, 2.6, 3.0],
    }
    return GgufCase(
        made(
            "phi3-q5",
            "Fused projections in Q5_0 and Q5_1, a window of 8, longrope factors as tensors, beyond the original length",
            phi3_config(
                "float32",
                vocab_size=spm.size,
                rope_scaling=longrope,
                max_position_embeddings=256,
                original_max_position_embeddings=16,
                sliding_window=8,
                num_hidden_layers=1,
            ),
            must_matter={"window": {"sliding_window": None}},
        ),
        "phi3",
        spm,
        {"attn": Type.Q5_0, "ffn": Type.Q5_1, "token_embd": Type.Q5_0, "": Type.Q8_0},
        gguf.LlamaFileType.MOSTLY_Q5_1,
        extra={"rope.scaling.attn_factor": math.sqrt(1 + math.log(256 / 16) / math.log(16))},
    )


def gemma3_case() -> GgufCase:
    spm = tiny_tokenizers.sentence_piece(False)
    return GgufCase(
        made(
            "gemma3",
            "Norm weights plus one, Q4_0 and Q8_0, six layers with a window of 6; local base, pattern, attention scale,"
            " embedding factor and the tied head are not in the file",
            gemma3_config(
                "float32",
                vocab_size=spm.size,
                hidden_size=64,
                head_dim=32,
                num_attention_heads=2,
                query_pre_attn_scalar=32,
                rope_theta=1000000.0,
                rope_local_base_freq=10000.0,
                eos_token_id=2,
                bos_token_id=1,
            ),
            norm_offset=1.0,
            draws={r"embed_tokens\.weight$": uniform(-0.3, 0.3)},
            must_matter={"window": {"sliding_window": 64}},
        ),
        "gemma3",
        spm,
        {"attn": Type.Q4_0, "": Type.Q8_0},
        gguf.LlamaFileType.MOSTLY_Q4_0,
    )


def gpt_oss_case() -> GgufCase:
    qwen = tiny_tokenizers.byte_level("qwen2")
    hub = expert_families.gpt_oss_case()
    config = merged(hub.config, {"torch_dtype": "float32", "vocab_size": qwen.size, "swiglu_limit": 7.0})
    return GgufCase(
        made(
            "gpt_oss-mxfp4",
            "MXFP4 experts, gate and up apart, with F32 biases; sinks, windows on every other layer, YaRN that is not truncated",
            dict(sorted(config.items())),
            draws=hub.draws,
            must_matter={"window": hub.must_matter["window"], "truncation": hub.must_matter["truncation"]},
        ),
        "gpt-oss",
        qwen,
        {"bias": Type.F32, "ffn_gate_inp": Type.F32, "_exps": Type.MXFP4, "": Type.Q8_0},
        gguf.LlamaFileType.MOSTLY_MXFP4_MOE,
    )


def deepseek_case() -> GgufCase:
    vocabulary = tiny_tokenizers.byte_level("smollm")
    v3 = next(case for case in expert_families.cases() if case.name == "deepseek_v3-groups")
    sizes = {
        "intermediate_size": 64,
        "kv_lora_rank": 32,
        "moe_intermediate_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "q_lora_rank": 32,
        "qk_nope_head_dim": 32,
        "rope_scaling": {**v3.config["rope_scaling"], "rope_type": "yarn"},
        "torch_dtype": "float32",
        "v_head_dim": 32,
        "vocab_size": vocabulary.size,
    }
    return GgufCase(
        made(
            "deepseek2-q8_0",
            "The key-value matrix taken apart into attn_k_b and attn_v_b, one KV head in the metadata, corrected sigmoid"
            " scores in groups, YaRN's factor of the attention scale as a logarithm's",
            merged(v3.config, sizes),
            keep_float32=v3.keep_float32,
            draws=v3.draws,
            must_matter=v3.must_matter,
        ),
        "deepseek2",
        vocabulary,
        {"ffn_gate_inp": Type.F32, "": Type.Q8_0},
        gguf.LlamaFileType.MOSTLY_Q8_0,
    )


# ---- the converter's work -----------------------------------------------------------------------------------------


def permute(weight: np.ndarray, heads: int) -> np.ndarray:
    """Llama only: rotary halves of a head become neighbours."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))


def unpermute(weight: np.ndarray, heads: int) -> np.ndarray:
    pairs = weight.reshape(heads, weight.shape[0] // heads // 2, 2, *weight.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(weight.shape))


def heads_of(case: GgufCase, name: str) -> int | None:
    """How many heads to permute in this tensor of the hub's; None where it stays."""
    if case.architecture != "llama":
        return None
    config = case.base.config
    if re.search(r"q_proj\.(weight|bias)$", name):
        return config["num_attention_heads"]
    if re.search(r"k_proj\.(weight|bias)$", name):
        return config["num_key_value_heads"]
    return None


def shifted(case: GgufCase, name: str) -> bool:
    return case.architecture.startswith("gemma") and name.endswith("norm.weight")


def stack_experts(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """...experts.N.gate_proj.weight for all N -> ...experts.gate_proj.weight [E, out, in]."""
    out, stacks = {}, {}
    for name, values in tensors.items():
        if found := re.match(r"(.*\.experts)\.(\d+)\.(.*)$", name):
            stacks.setdefault(f"{found[1]}.{found[3]}", {})[int(found[2])] = values
        else:
            out[name] = values
    for name, experts in stacks.items():
        out[name] = np.stack([experts[index] for index in range(len(experts))])
    return out


def apart(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """gpt-oss only: experts stored [E, in, out] with gate and up taking turns -> three stacks [E, out, in]."""
    out = {}
    for name, values in tensors.items():
        found = re.match(r"(.*\.experts)\.(gate_up|down)_proj(_bias)?$", name)
        if not found:
            out[name] = values
            continue
        ending = ".bias" if found[3] else ".weight"
        rows = values if found[3] else values.swapaxes(1, 2)
        parts = {"gate": rows[:, ::2], "up": rows[:, 1::2]} if found[2] == "gate_up" else {"down": rows}
        for part, those in parts.items():
            out[f"{found[1]}.{part}_proj{ending}"] = np.ascontiguousarray(those)
    return out


def together(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `apart` has taken apart."""
    out = {}
    for name, values in tensors.items():
        found = re.match(r"(.*\.experts)\.(gate|up|down)_proj\.(weight|bias)$", name)
        if not found:
            out[name] = values
            continue
        if found[2] == "up":
            continue
        if found[2] == "gate":
            up = tensors[f"{found[1]}.up_proj.{found[3]}"]
            values = np.stack([values, up], axis=2).reshape(values.shape[0], -1, *values.shape[2:])
        stem = f"{found[1]}.{'down' if found[2] == 'down' else 'gate_up'}_proj"
        out[stem if found[3] == "weight" else f"{stem}_bias"] = np.ascontiguousarray(
            values.swapaxes(1, 2) if found[3] == "weight" else values
        )
    return out


def key_and_value_rows(config: dict[str, Any]) -> tuple[int, int, int]:
    return config["num_attention_heads"], config["qk_nope_head_dim"], config["v_head_dim"]


def take_apart(case: GgufCase, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Latent attention: kv_b_proj -> k_b_proj [heads, rank, plain], v_b_proj [heads, value, rank]."""
    out = {}
    for name, values in tensors.items():
        if "kv_b_proj" not in name:
            out[name] = values
            continue
        heads, plain, value = key_and_value_rows(case.base.config)
        parts = values.reshape(heads, plain + value, -1)
        out[name.replace("kv_b", "k_b")] = np.ascontiguousarray(parts[:, :plain].swapaxes(1, 2))
        out[name.replace("kv_b", "v_b")] = np.ascontiguousarray(parts[:, plain:])
    return out


def put_together(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    out = {name: values for name, values in tensors.items() if not re.search(r"\.[kv]_b_proj\.", name)}
    for name, keys in tensors.items():
        if ".k_b_proj." not in name:
            continue
        values = tensors[name.replace("k_b", "v_b")]
        joint = np.concatenate([keys.swapaxes(1, 2), values], axis=1)
        out[name.replace("k_b", "kv_b")] = np.ascontiguousarray(joint.reshape(-1, joint.shape[-1]))
    return out


def gguf_name(case: GgufCase, name: str) -> str:
    name = name.replace("e_score_correction_bias", "e_score_correction.bias")
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == case.architecture)
    names = gguf.get_tensor_name_map(arch, case.base.config["num_hidden_layers"])
    found = names.get_name(name, try_suffixes=(".weight", ".bias"))
    if found and name.endswith("sinks"):
        found += ".weight"
    if found is None:
        raise ValueError(f"{case.base.name}: GGUF has no name for {name}")
    return found


def rotary_factors(case: GgufCase) -> dict[str, np.ndarray]:
    """Rotary scaling that llama.cpp keeps as tensors: what each frequency is divided by."""
    config = case.base.config
    scaling = config.get("rope_scaling") or {}
    if "long_factor" in scaling:
        return {
            "rope_factors_long.weight": np.array(scaling["long_factor"], np.float32),
            "rope_factors_short.weight": np.array(scaling["short_factor"], np.float32),
        }
    if scaling.get("rope_type") != "llama3":
        return {}
    size = config["head_dim"]
    wavelength = 2 * math.pi * config["rope_theta"] ** (np.arange(0, size, 2) / size)
    context, factor = scaling["original_max_position_embeddings"], scaling["factor"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    smooth = np.clip((context / wavelength - low) / (high - low), 0.0, 1.0)
    return {"rope_freqs.weight": (1.0 / ((1.0 - smooth) / factor + smooth)).astype(np.float32)}


def write_metadata(case: GgufCase, writer: gguf.GGUFWriter) -> None:
    config, arch = case.base.config, case.architecture
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_type("model")
    writer.add_name(case.base.name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(1 if "kv_lora_rank" in config else config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    if "head_dim" in config:
        writer.add_key_length(head)
        writer.add_value_length(head)
    if arch in ("llama", "phi3"):
        writer.add_rope_dimension_count(head)
    if arch == "llama":
        writer.add_vocab_size(config["vocab_size"])
    if arch in ("phi3", "gemma3", "gpt-oss"):
        writer.add_sliding_window(config["sliding_window"])
    if arch == "phi3":
        writer.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
    scaling = config.get("rope_scaling") or {}
    if scaling.get("rope_type") == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
    if "num_experts" in config:
        writer.add_expert_count(config["num_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    if arch == "gpt-oss":
        writer.add_expert_count(config["num_local_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config["intermediate_size"])
    if "kv_lora_rank" in config:
        write_latent(config, writer)
    for key, value in case.extra.items():
        writer.add_float32(f"{arch}.{key}", value)
    writer.add_file_type(case.file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    if case.alignment != gguf.GGUF_DEFAULT_ALIGNMENT:
        writer.add_custom_alignment(case.alignment)


def write_latent(config: dict[str, Any], writer: gguf.GGUFWriter) -> None:
    rank, rotary = config["kv_lora_rank"], config["qk_rope_head_dim"]
    writer.add_q_lora_rank(config["q_lora_rank"])
    writer.add_kv_lora_rank(rank)
    writer.add_key_length(rank + rotary)
    writer.add_value_length(rank)
    writer.add_key_length_mla(config["qk_nope_head_dim"] + rotary)
    writer.add_value_length_mla(config["v_head_dim"])
    writer.add_rope_dimension_count(rotary)
    writer.add_rope_scaling_yarn_log_mul(0.1 * config["rope_scaling"]["mscale_all_dim"])
    writer.add_leading_dense_block_count(config["first_k_dense_replace"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_expert_count(config["n_routed_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    writer.add_expert_shared_count(config["n_shared_experts"])
    writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    writer.add_expert_weights_scale(config["routed_scaling_factor"])
    writer.add_expert_weights_norm(config["norm_topk_prob"])
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    writer.add_expert_group_count(config["n_group"])
    writer.add_expert_group_used_count(config["topk_group"])


def type_of(case: GgufCase, name: str, values: np.ndarray) -> Type:
    if values.ndim == 1:
        return Type.F32
    return next(kind for pattern, kind in case.types.items() if pattern in name)


def write_gguf(case: GgufCase, tensors: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Writes the file; returns what it holds, decoded, under the hub's names and in the hub's layout."""
    writer = gguf.GGUFWriter(path, case.architecture)
    write_metadata(case, writer)
    case.vocabulary.write(writer)
    for name, factors in rotary_factors(case).items():
        writer.add_tensor(name, factors)
    decoded = {}
    for hub, values in apart(stack_experts(take_apart(case, tensors))).items():
        heads = heads_of(case, hub)
        stored = permute(values, heads) if heads else values
        stored = stored + np.float32(1) if shifted(case, hub) else stored
        name = gguf_name(case, hub)
        kind = type_of(case, name, stored)
        data = k_quants.quantize(stored, kind) if kind in k_quants.BYTES else gguf.quants.quantize(stored, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
        back = gguf.quants.dequantize(data, kind).astype(np.float32).reshape(stored.shape)
        back = back - np.float32(1) if shifted(case, hub) else back
        decoded[hub] = unpermute(back, heads) if heads else back
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return together(decoded) if case.architecture == "gpt-oss" else put_together(unstack_experts(decoded))


def unstack_experts(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    out = {}
    for name, values in tensors.items():
        if ".experts." in name:
            for index, expert in enumerate(values):
                out[name.replace(".experts.", f".experts.{index}.")] = expert.copy()
        else:
            out[name] = values
    return out


def check_file(path: Path, case: GgufCase, decoded: dict[str, np.ndarray]) -> None:
    """Reads the file back with the library's reader, and with Transformers' own GGUF loader where that knows how."""
    reader = gguf.GGUFReader(path)
    assert reader.data_offset % case.alignment == 0
    kinds = {tensor.name: tensor.tensor_type for tensor in reader.tensors}
    assert "output.weight" in kinds or case.base.config.get("tie_word_embeddings", True)
    if "gemma" in case.architecture or case.architecture in ("qwen3moe", "phi3", "gpt-oss", "deepseek2"):
        return
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    model = reference.AutoModelForCausalLM.from_config(reference.transformers.AutoConfig.for_model(**case.base.config))
    theirs = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)["tensors"]
    for name, values in decoded.items():
        assert np.array_equal(theirs[name].numpy(), values), f"{case.base.name}: Transformers reads another {name}"


def make(case: GgufCase, out: Path) -> None:
    folder = out / case.base.name
    folder.mkdir(parents=True, exist_ok=True)
    maker.write_json(folder / "expected_config.json", case.base.config)

    def one_attempt(attempt: int) -> tuple[dict[str, Any], np.ndarray]:
        base = case.base
        ids = maker.prompt_of(base, attempt)
        path = folder / "model.gguf"
        with tempfile.TemporaryDirectory() as scratch:
            hub, plain = Path(scratch) / "model.safetensors", Path(scratch) / "decoded.safetensors"
            maker.write_weights(base, attempt, hub)
            decoded = write_gguf(case, {name: t.numpy() for name, t in load_file(hub).items()}, path)
            save_file({name: torch.from_numpy(values) for name, values in decoded.items()}, plain)
            logits, measured = maker.answers(base, reference.load(base.config, plain).double(), ids)
            model = reference.load(base.config, plain)
            single = reference.logits_of(model, ids)
            weakest = maker.check_weights(base, model, ids, single)
            maker.check_options(base, plain, ids, single)
        check_file(path, case, decoded)
        return {
            "about": base.about,
            "reference": REFERENCE.format(reference.transformers.__version__, "0.19"),
            **measured,
            "weakest_weight": weakest,
            "attempt": attempt,
            "tokenizer": case.vocabulary.expected,
        }, logits

    maker.search(case.base.name, one_attempt, folder)
