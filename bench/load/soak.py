#!/usr/bin/env python3
"""Hours of clients of every kind, and the server's memory beside them.

    bench/load/soak.py build/release/bin/varve [--minutes 5] [--clients 8] [MODEL]

Starts a server whose cache holds little, so that it fills within the first third of the time, and lets clients chat,
leave in the middle, ask for JSON, for tools and for what is refused. Memory is read every second; it must not be more
in the last third than in the second by over 2 %, nothing may be held at the end, and the server must end with 0.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

TOOL = {"type": "function", "function": {"name": "look", "parameters": {
    "type": "object", "properties": {"where": {"enum": ["here", "there"]}}, "required": ["where"]}}}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}},
          "required": ["n", "ok"], "additionalProperties": False}


def body(rng):
    words = " ".join(rng.choice(["river", "stone", "why", "seven", "list", "blue"]) for _ in range(rng.randint(1, 300)))
    asked = {"messages": [{"role": "user", "content": words}], "max_tokens": rng.randint(1, 40), "seed": rng.randint(0, 99)}
    kind = rng.randrange(6)
    if kind == 0:
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
    elif kind == 1:
        asked |= {"n": 2, "logprobs": True, "top_logprobs": 3}
    elif kind == 2:
        asked |= {"tools": [TOOL]}
    elif kind == 3:
        asked |= {"temperature": -1}  # refused
    asked["stream"] = rng.random() < 0.7
    return json.dumps(asked), rng.random() < 0.25


def client(number, port, until, counts):
    rng = random.Random(number)
    while time.monotonic() < until:
        asked, leaves = body(rng)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            connection.request("POST", "/v1/chat/completions", asked, {"Content-Type": "application/json"})
            if leaves:
                time.sleep(rng.random() * 0.3)
                counts["left"] += 1
                continue
            answer = connection.getresponse()
            answer.read()
            counts[answer.status] = counts.get(answer.status, 0) + 1
        except OSError as error:
            counts[type(error).__name__] = counts.get(type(error).__name__, 0) + 1
        finally:
            connection.close()


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def gauge(port, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"varve_{name} "))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("varve")
    parser.add_argument("model", nargs="?", default="smollm2")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([options.varve, "serve", options.model, "--port", str(port), "--context", "1024",
                               "--cache-memory", "120MB", "--parallel", "4"], stdout=subprocess.DEVNULL)
    while True:
        try:
            if gauge(port, "pages") > 0:
                break
        except (OSError, StopIteration):
            time.sleep(0.2)
        if server.poll() is not None:
            sys.exit("soak: the server ended before it was ready")
    begin, counts, memory = time.monotonic(), {"left": 0}, []
    until = begin + options.minutes * 60
    threads = [threading.Thread(target=client, args=(i, port, until, counts)) for i in range(options.clients)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        memory.append(resident(server.pid))
        time.sleep(1)
    for thread in threads:
        thread.join()
    time.sleep(1)
    held = [gauge(port, name) for name in ("requests_running", "requests_waiting", "pages_promised")]
    server.send_signal(signal.SIGTERM)
    code = server.wait(60)
    third = len(memory) // 3
    second, last = max(memory[third:2 * third]), max(memory[2 * third:])
    print(f"answers by status: {counts}")
    print(f"resident: {memory[0] / 1e6:.1f} MB at first, {second / 1e6:.1f} MB at most in the second third, "
          f"{last / 1e6:.1f} MB in the last")
    print(f"held at the end: {held}; exit code {code}")
    if last > 1.02 * second or any(held) or code != 0:
        sys.exit("soak: memory grows, or something is held")


if __name__ == "__main__":
    main()
