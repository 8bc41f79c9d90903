#!/usr/bin/env python3
"""Memory and speed of `varve convert` on a made-up checkpoint, beside what the disk does in the same run.

    bench/convert/convert_bench.py build/release/bin/varve FOLDER [--gigabytes 12] [--experts N] [-- OPTIONS OF varve convert]

A dense model, or with --experts one whose feed-forward is a mixture of N. Makes FOLDER/source (bf16, kept for the next run) and FOLDER/result (removed again); the page cache is asked to forget
the source first. Rates are bytes of the source per second.
"""

import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

HIDDEN, INNER, HEADS, KV_HEADS, VOCAB = 4096, 14336, 32, 8, 128256
BLOCK = 64 << 20


def feed_forward(layer, experts):
    if experts == 0:
        for name, rows, cols in (("gate", INNER, HIDDEN), ("up", INNER, HIDDEN), ("down", HIDDEN, INNER)):
            yield f"{layer}mlp.{name}_proj.weight", [rows, cols]
        return
    yield f"{layer}block_sparse_moe.gate.weight", [experts, HIDDEN]
    for e in range(experts):
        for name, rows, cols in (("w1", INNER, HIDDEN), ("w2", HIDDEN, INNER), ("w3", INNER, HIDDEN)):
            yield f"{layer}block_sparse_moe.experts.{e}.{name}.weight", [rows, cols]


def tensors(layers, experts):
    kv = HIDDEN // HEADS * KV_HEADS
    yield "model.embed_tokens.weight", [VOCAB, HIDDEN]
    for i in range(layers):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", [HIDDEN]
        yield from feed_forward(layer, experts)
        yield layer + "post_attention_layernorm.weight", [HIDDEN]
        for name, rows in (("q", HIDDEN), ("k", kv), ("v", kv), ("o", HIDDEN)):
            yield f"{layer}self_attn.{name}_proj.weight", [rows, HIDDEN]
    yield "model.norm.weight", [HIDDEN]
    yield "lm_head.weight", [VOCAB, HIDDEN]


def random_block():
    """bf16 numbers of about normal size: random signs and mantissas, exponents of 2^-9 to 2^-5."""
    draw = random.Random(1)
    table = bytes(118 + draw.randrange(5) for _ in range(256))
    low, high = draw.randbytes(BLOCK // 2), draw.randbytes(BLOCK // 2)
    signed = bytes((table[x] >> 1) | (x & 0x80) for x in range(256))
    out = bytearray(BLOCK)
    out[0::2] = low
    out[1::2] = high.translate(signed)
    return bytes(out)


def make_source(path, gigabytes, experts):
    done = path / "config.json"
    fixed = 2 * VOCAB * HIDDEN * 2
    layer = sum(2 * s[0] * (s[1] if len(s) > 1 else 1) for n, s in tensors(1, experts) if ".layers." in n)
    layers = max(1, -(-int(gigabytes * 1e9 - fixed) // layer))
    config = {
        "hidden_size": HIDDEN, "num_hidden_layers": layers, "intermediate_size": INNER, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "vocab_size": VOCAB, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
        "torch_dtype": "bfloat16", "tie_word_embeddings": False}
    if experts == 0:
        config |= {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    else:
        config |= {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": experts,
                   "num_experts_per_tok": min(2, experts)}
    if done.exists() and json.loads(done.read_text()) == config:
        return
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors(layers, experts):
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = random_block()
    with open(path / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        left = offset
        while left > 0:
            out.write(block[: min(left, BLOCK)])
            left -= BLOCK
        out.flush()
        os.fsync(out.fileno())
    done.write_text(json.dumps(config))


def forget(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def probe(folder, source):
    """GB/s of reading the source's first 4 GB and of writing 2 GB to the disk."""
    forget(source)
    begin, count = time.monotonic(), 0
    with open(source, "rb", buffering=0) as file:
        while count < 4e9 and (got := len(file.read(8 << 20))):
            count += got
    read = count / (time.monotonic() - begin) / 1e9
    block, scratch = random_block(), folder / "probe"
    begin = time.monotonic()
    with open(scratch, "wb", buffering=0) as file:
        for _ in range(32):
            file.write(block)
        os.fsync(file.fileno())
    written = 32 * BLOCK / (time.monotonic() - begin) / 1e9
    scratch.unlink()
    return read, written


def peak_of(process):
    """The largest resident set of a running process, in bytes, mapped pages of files included."""
    peak = 0
    while process.poll() is None:
        try:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]) * 1024)
        except OSError:
            break
        time.sleep(0.05)
    return peak


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=12)
    parser.add_argument("--experts", type=int, default=0)
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, options = parser.parse_args(sys.argv[1:split]), sys.argv[split + 1 :]
    source, result = given.folder / "source", given.folder / "result"
    make_source(source, given.gigabytes, given.experts)
    weights = source / "model.safetensors"
    read, written = probe(given.folder, weights)
    shutil.rmtree(result, ignore_errors=True)
    forget(weights)
    begin = time.monotonic()
    command = [given.binary, "convert", source, result, *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    told = []
    reader = threading.Thread(target=lambda: told.extend(process.stderr))
    reader.start()
    peak = peak_of(process)
    seconds = time.monotonic() - begin
    reader.join()
    if process.returncode != 0:
        sys.exit("".join(told))
    size = weights.stat().st_size
    made = sum(f.stat().st_size for f in result.iterdir())
    print(f"source          {size / 1e9:.2f} GB")
    print(f"result          {made / 1e9:.2f} GB")
    print(f"time            {seconds:.1f} s on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"rate            {size / seconds / 1e9:.2f} GB/s of source")
    print(f"disk reads      {read:.2f} GB/s, writes {written:.2f} GB/s")
    print(f"peak resident   {peak / 1e9:.2f} GB")
    shutil.rmtree(result)


if __name__ == "__main__":
    main()
