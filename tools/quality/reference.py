#!/usr/bin/env python3
"""How far a model is from Transformers' float32: reference.py MODEL.gguf TEXT [WINDOW ...]

For windows of 1,024 tokens of the text, given by their numbers (0 and 3 where nothing is said), prints the mean KL
divergence of each precision of varve from Transformers in float32, its 99th percentile and the top-1 agreement. Needs
tools/golden/requirements.txt and accelerate; varve is build/release/bin/varve.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

VARVE = "build/release/bin/varve"
WINDOW = 1024


def log_probabilities(logits):
    logits = logits.astype(np.float64)[:-1]
    logits -= logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def main():
    model, text = Path(sys.argv[1]), sys.argv[2]
    windows = [int(word) for word in sys.argv[3:]] or [0, 3]
    told = subprocess.run([VARVE, "tokenize", model, "--no-special", "--file", text, "--json"], check=True, capture_output=True)
    ids = json.loads(told.stdout)["ids"]
    reference = AutoModelForCausalLM.from_pretrained(
        model.parent, gguf_file=model.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/logits.npy"
        for window in windows:
            some = ids[window * WINDOW : (window + 1) * WINDOW]
            with torch.no_grad():
                truth = log_probabilities(reference(torch.tensor([some])).logits[0].numpy())
            for precision in ("exact", "fast"):
                listed = ",".join(map(str, some))
                subprocess.run([VARVE, "logits", model, "--ids", listed, "--precision", precision, "--out", out], check=True)
                found = log_probabilities(np.load(out))
                kl = (np.exp(truth) * (truth - found)).sum(-1)
                same = (truth.argmax(-1) == found.argmax(-1)).mean()
                print(f"window {window} {precision}: KL {kl.mean():.2e}, 99% {np.quantile(kl, 0.99):.2e}, top-1 {same:.4f}")


main()
