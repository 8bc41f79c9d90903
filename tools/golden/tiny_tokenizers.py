"""Vocabularies of a few hundred tokens for GGUF metadata, with the ids that the original libraries give for some texts."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as pieces
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

TRAINING = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
    "It was the best of times, it was the worst of times; 1234 people said so in 1859.",
    "def add(first, second):\n    return first + second\n\n\nprint(add(20, 22))\n",
    "Grüße aus Köln! Été, año, naïve; 東京 and Москва. We've seen it, they'll say, I'd know.",
]
TEXTS = [
    "The dog said: 1234567 times!",
    "def add(a, b):\n    return a + b\n",
    "Grüße, 東京 😀 they'll\tsay\r\n  so",
    " leading and  double  spaces ",
    "",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Vocabulary:
    metadata: dict[str, Any]  # what follows "tokenizer." in the file: key -> value
    size: int
    expected: list[dict[str, Any]]  # {"text", "ids"}: without the tokens added at the front

    def write(self, writer: gguf.GGUFWriter) -> None:
        m = self.metadata
        writer.add_tokenizer_model(m["model"])
        writer.add_tokenizer_pre(m["pre"])
        writer.add_token_list(m["tokens"])
        if "scores" in m:
            writer.add_token_scores(m["scores"])
        writer.add_token_types(m["token_type"])
        if "merges" in m:
            writer.add_token_merges(m["merges"])
        writer.add_bos_token_id(m["bos_token_id"])
        writer.add_eos_token_id(m["eos_token_id"])
        for key, add in (("unknown_token_id", writer.add_unk_token_id), ("padding_token_id", writer.add_pad_token_id)):
            if key in m:
                add(m[key])
        if "add_bos_token" in m:
            writer.add_add_bos_token(m["add_bos_token"])
        if "add_space_prefix" in m:
            writer.add_add_space_prefix(m["add_space_prefix"])
        writer.add_chat_template(CHAT_TEMPLATE)


@cache
def byte_level(pre: str) -> Vocabulary:
    """Byte-level BPE: 3 control tokens, one user-defined token of four spaces, 256 bytes, merges."""
    tokenizer = Tokenizer(models.BPE())
    splitters = {
        "smollm": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "qwen2": [
            pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ],
    }
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splitters[pre])
    tokenizer.decoder = decoders.ByteLevel()
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=318,
        show_progress=False,
        special_tokens=control,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(TRAINING, trainer)
    tokenizer.add_tokens([AddedToken("    ", normalized=False)])
    learned = sorted(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    tokens = [token for token, _ in learned]
    kinds = [gguf.TokenType.CONTROL] * len(control) + [gguf.TokenType.NORMAL] * (len(tokens) - len(control))
    kinds[tokens.index("    ")] = gguf.TokenType.USER_DEFINED
    while len(tokens) < 320:  # padding, as converters do it when the embedding is larger than the vocabulary
        tokens.append(f"[PAD{len(tokens)}]")
        kinds.append(gguf.TokenType.UNUSED)
    merges = [" ".join(pair) for pair in merges_of(tokenizer)]
    texts = TEXTS + ["<|im_start|>user\nHello<|im_end|>"]
    return Vocabulary(
        metadata={
            "model": "gpt2",
            "pre": pre,
            "tokens": tokens,
            "token_type": kinds,
            "merges": merges,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "padding_token_id": 2,
            "unknown_token_id": 0,
            "add_bos_token": False,
        },
        size=len(tokens),
        expected=[{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in texts],
    )


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


@cache
def sentence_piece(space_prefix: bool) -> Vocabulary:
    """A trained sentencepiece BPE model with byte fallback, as Llama 2 and Gemma carry it."""
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in TRAINING for line in text.split("\n") if line),
        model_writer=trained,
        model_type="bpe",
        vocab_size=340,
        byte_fallback=True,
        character_coverage=0.99,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=space_prefix,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )
    model = pieces.ModelProto.FromString(trained.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    return Vocabulary(
        metadata={
            "model": "llama",
            "pre": "default",
            "tokens": [piece.piece.encode() for piece in model.pieces],
            "scores": [piece.score for piece in model.pieces],
            "token_type": [gguf.TokenType(piece.type) for piece in model.pieces],  # the numbers are the same
            "bos_token_id": 1,
            "eos_token_id": 2,
            "unknown_token_id": 0,
            "add_bos_token": True,
            "add_space_prefix": space_prefix,
        },
        size=len(model.pieces),
        expected=[{"text": text, "ids": processor.encode(text)} for text in TEXTS],
    )
