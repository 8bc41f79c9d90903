"""The config that most tiny decoders share."""

from __future__ import annotations

from typing import Any

from case import ABSENT, merged

NO_RMS = {"rms_norm_eps": ABSENT}  # for families whose norms are layer norms


def tiny(architecture: str, model_type: str, **changes: Any) -> dict[str, Any]:
    """What most decoder configs share; each family below says where it differs."""
    config = {
        "architectures": [architecture],
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 48,
        "max_position_embeddings": 512,
        "model_type": model_type,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.48.0",
        "use_cache": True,
        "vocab_size": 64,
    }
    return dict(sorted(merged(config, changes).items()))
