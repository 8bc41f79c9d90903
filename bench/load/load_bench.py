#!/usr/bin/env python3
"""Many clients at once: what a server of the OpenAI chat protocol does from half its capacity to three times that.

    bench/load/load_bench.py [--url http://127.0.0.1:8080] [--loads 0.5,1,2,3] [--seconds 30] [--json FILE]

First capacity is measured: `--closed` clients that each send their next request when the last is answered. Then the
loop is open: requests begin at random times (a Poisson process) whatever the server does, as many a second as the load
says, and what is told is what the clients saw: time to the first token, time between tokens, how many requests a
second were answered in time (goodput: the first token within --first seconds, the others within --between on average),
how many were refused (429, 503) and how soon. Any server of the protocol can be measured, with nothing but Python.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

WORDS = "time river stone light garden winter letter market island engine silver story window forest bridge".split()


@dataclass
class Seen:
    """What one client saw; times are seconds since it asked."""
    status: int = 0
    tokens: list = field(default_factory=list)  # when each came
    end: float = 0.0
    complete: bool = False


def body_of(options, rng):
    # Every prompt begins differently, so that no prefix is shared unless --shared asks for it.
    own = " ".join(rng.choice(WORDS) for _ in range(options.prompt_words))
    shared = " ".join(WORDS[i % len(WORDS)] for i in range(options.shared_words))
    content = (shared + " " + own) if options.shared_words else own
    return json.dumps({"model": options.model, "stream": True, "temperature": 0.7, "max_tokens": options.max_tokens,
                       "ignore_eos": True, "messages": [{"role": "user", "content": content}]}).encode()


async def ask(options, body):
    seen, begin = Seen(), time.monotonic()
    where = urlsplit(options.url)
    writer = None
    try:
        reader, writer = await asyncio.open_connection(where.hostname, where.port or 80)
        head = (f"POST {where.path.rstrip('/')}/v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\n"
                f"Content-Type: application/json\r\nAuthorization: Bearer {options.key}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()
        writer.write(head + body)
        await writer.drain()
        seen.status = int((await reader.readline()).split()[1])
        async for line in reader:
            if not line.startswith(b"data: "):
                continue
            if line.startswith(b"data: [DONE]"):
                seen.complete = True
                break
            choices = json.loads(line[6:]).get("choices") or [{}]
            delta = choices[0].get("delta", {})
            if delta.get("content") or delta.get("reasoning_content"):
                seen.tokens.append(time.monotonic() - begin)
    except (OSError, ValueError, IndexError):
        pass
    finally:
        if writer:
            writer.close()
    seen.end = time.monotonic() - begin
    return seen


async def closed_loop(options, seconds, clients):
    """Answers a second when `clients` of them are always waiting for one."""
    answered, until = 0, time.monotonic() + seconds

    async def client(number):
        nonlocal answered
        rng = random.Random(number)
        while time.monotonic() < until:
            seen = await ask(options, body_of(options, rng))
            if not seen.complete:
                await asyncio.sleep(0.1)
            answered += seen.complete and time.monotonic() <= until

    await asyncio.gather(*(client(i) for i in range(clients)))
    return answered / seconds


async def open_loop(options, seconds, rate):
    rng, running, begin = random.Random(rate), [], time.monotonic()
    at = rng.expovariate(rate)
    while at < seconds:
        await asyncio.sleep(max(0.0, begin + at - time.monotonic()))
        running.append(asyncio.create_task(ask(options, body_of(options, rng))))
        at += rng.expovariate(rate)
    return await asyncio.gather(*running)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def figures(options, load, rate, seconds, answers):
    first = [a.tokens[0] for a in answers if a.tokens]
    between = [b - a for s in answers for a, b in zip(s.tokens, s.tokens[1:])]
    refused = [a.end for a in answers if a.status in (429, 503)]
    complete = [a for a in answers if a.complete]
    good = [a for a in complete if a.tokens and a.tokens[0] <= options.first
            and (a.tokens[-1] - a.tokens[0]) <= options.between * max(1, len(a.tokens) - 1)]
    row = {"load": load, "offered_per_second": rate, "asked": len(answers), "complete": len(complete),
           "refused": len(refused), "failed": len(answers) - len(complete) - len(refused),
           "goodput_per_second": len(good) / seconds,
           "tokens_per_second": sum(len(a.tokens) for a in answers) / seconds}
    for name, values in (("first_token", first), ("inter_token", between), ("refusal", refused)):
        for share in (50, 95, 99):
            row[f"{name}_p{share}"] = percentile(values, share / 100)
    return row


def show(rows):
    print("| load | offered/s | asked | complete | refused | failed | goodput/s | first token p50, p95, p99 ms "
          "| between tokens p50, p95, p99 ms | refusal p50, p99 ms |")
    print("|---|---|---|---|---|---|---|---|---|---|")

    def ms(row, name, shares):
        return ", ".join(f"{row[f'{name}_p{s}'] * 1000:.0f}" if row[f"{name}_p{s}"] == row[f"{name}_p{s}"] else "-"
                         for s in shares)

    for r in rows:
        print(f"| {r['load']:g} | {r['offered_per_second']:.2f} | {r['asked']} | {r['complete']} | {r['refused']} "
              f"| {r['failed']} | {r['goodput_per_second']:.2f} | {ms(r, 'first_token', (50, 95, 99))} "
              f"| {ms(r, 'inter_token', (50, 95, 99))} | {ms(r, 'refusal', (50, 99))} |")


async def measure(options):
    await closed_loop(options, 3, 1)  # warm
    capacity = await closed_loop(options, options.seconds, options.closed)
    if capacity == 0:
        sys.exit(f"load_bench: no answer from {options.url}")
    print(f"capacity: {capacity:.2f} answers a second to {options.closed} clients in a closed loop, "
          f"{options.prompt_words + options.shared_words} words of prompt, {options.max_tokens} tokens of answer\n")
    rows = []
    for load in options.loads:
        answers = await open_loop(options, options.seconds, load * capacity)
        rows.append(figures(options, load, load * capacity, options.seconds, answers))
        await asyncio.sleep(1)
    return capacity, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--model", default="default")
    parser.add_argument("--key", default="none")
    parser.add_argument("--loads", type=lambda text: [float(x) for x in text.split(",")], default=[0.5, 1, 2, 3])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--closed", type=int, default=8, help="clients of the closed loop")
    parser.add_argument("--prompt-words", type=int, default=120)
    parser.add_argument("--shared-words", type=int, default=0, help="words with which all prompts begin")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--first", type=float, default=2.0, help="seconds to the first token that count as in time")
    parser.add_argument("--between", type=float, default=0.1, help="the same between tokens, on average")
    parser.add_argument("--json", help="write all figures to this file")
    options = parser.parse_args()
    capacity, rows = asyncio.run(measure(options))
    show(rows)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"capacity_per_second": capacity, "loads": rows}, file, indent=2)


if __name__ == "__main__":
    main()
