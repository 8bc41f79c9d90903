#!/usr/bin/env python3
"""Do Transformers read from a converted directory what varve reads from its GGUF file?

    text_files.py DIRECTORY MODEL.gguf TEXT.txt

The same ids for passages of the text and for what trips tokenizers up, with and without marks; the same texts back;
the same chat. Needs tools/golden/requirements.txt; varve is build/release/bin/varve. Exits with 1 where they differ.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from transformers import AutoTokenizer, GenerationConfig

VARVE = "build/release/bin/varve"
ODD = ["", " ", "Hello, world!", "  def f(x):\n\treturn x  # 1234567\n\n\n", "naïve café 世界 😀 \u200d", "a" * 300, "It's 3.14%!\r\n",
       "<|im_start|>user </s><bos>", "   \t \n "]
CHATS = [[{"role": "user", "content": "Hi  there"}],
         [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two\n"}, {"role": "user", "content": "Three"}]]


def varve(*words, text=None):
    return subprocess.run([VARVE, *map(str, words)], input=text, check=True, capture_output=True).stdout


def ids_of(model, text, special, parse):
    options = [] if special else ["--no-special"]
    return json.loads(varve("tokenize", model, "--json", *options, *(["--parse-special"] if parse else []), text=text.encode()))["ids"]


def main():
    directory, model, long_text = sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    faults = 0

    def compare(what, ours, theirs):
        nonlocal faults
        if ours != theirs:
            faults += 1
            print(f"{what}\n  varve        {str(ours)[:300]}\n  Transformers {str(theirs)[:300]}")

    passages = ODD + [long_text[at : at + 3000] for at in range(0, len(long_text), len(long_text) // 6)]
    for text in passages:
        for special in (False, True):
            ours = ids_of(model, text, special, True)
            compare(f"ids of {text[:40]!r}, special {special}", ours, tokenizer.encode(text, add_special_tokens=special))
        compare(f"text of {text[:40]!r}", varve("detokenize", model, text=" ".join(map(str, ours)).encode()).decode(),
                tokenizer.decode(ours, clean_up_tokenization_spaces=False))
    if tokenizer.chat_template:
        for chat in CHATS:
            marks = {f"{name}_token": getattr(tokenizer, f"{name}_token") for name in ("bos", "eos", "unk", "pad")
                     if getattr(tokenizer, f"{name}_token")}
            with tempfile.NamedTemporaryFile("w", suffix=".json") as context:
                json.dump({"messages": chat, "add_generation_prompt": True, **marks}, context)
                context.flush()
                ours = varve("template", model, "--context", context.name).decode()
            compare("chat", ours.rstrip("\n"), tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True).rstrip("\n"))
    print(f"{type(tokenizer).__name__}: {len(passages)} texts, {len(tokenizer)} tokens, "
          f"ends {GenerationConfig.from_pretrained(directory).eos_token_id}: {faults} differences")
    return faults > 0


if __name__ == "__main__":
    sys.exit(main())
