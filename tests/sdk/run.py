#!/usr/bin/env python3
"""Starts a server with the default model and runs one test script of an SDK against it:

  run.py VARVE SCRIPT

Python scripts run under VARVE_SDK_PYTHON (else the system's python3), JavaScript under node with the packages
of VARVE_SDK_NODE_MODULES. Exits with 77, naming what is absent, where packages or model are not there."""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

SKIPPED = 77


def skip(what):
    print("skipped: needs " + what)
    sys.exit(SKIPPED)


def command(script):
    if script.suffix == ".mjs":
        modules = os.environ.get("VARVE_SDK_NODE_MODULES", "")
        if not modules or not pathlib.Path(modules, "openai").exists():
            skip("VARVE_SDK_NODE_MODULES: a node_modules folder with openai and @anthropic-ai/sdk")
        return ["node", str(script)]
    python = os.environ.get("VARVE_SDK_PYTHON", sys.executable)
    package = script.name.split("_")[0]
    if subprocess.run([python, "-c", "import " + package], capture_output=True).returncode != 0:
        skip(f"VARVE_SDK_PYTHON: a Python with the package {package}")
    return [python, str(script)]


def model_file():
    """The default model's file: VARVE_TEST_SMOLLM2, else where `varve pull smollm2` puts it."""
    named = os.environ.get("VARVE_TEST_SMOLLM2", "")
    home = pathlib.Path(os.environ.get("VARVE_HOME", "") or pathlib.Path.home() / ".cache/varve")
    found = [pathlib.Path(named)] if named else sorted(home.glob("models/smollm2/*.gguf"))
    if not found or not found[0].exists():
        skip("the model smollm2 (varve pull smollm2, or VARVE_TEST_SMOLLM2)")
    return found[0]


def card(model, config):
    """A card for it that says how it writes calls: its template shows none, and the tests ask for some."""
    folder = pathlib.Path(config, "varve/models")
    folder.mkdir(parents=True)
    (folder / "sdk-test.toml").write_text(
        f"""title = "For the tests"\nlicence = "Apache-2.0"\n
[answers]\ntools = "hermes"\n
[source]\nkind = "path"\npath = "{model}"\n""")
    return "sdk-test"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(url, server):
    for _ in range(600):
        if server.poll() is not None:
            sys.exit("the server ended before it was ready")
        try:
            if urllib.request.urlopen(url + "/health", timeout=5).status == 200:
                return
        except OSError:
            time.sleep(0.2)
    sys.exit("the server was not ready within two minutes")


def main(varve, script):
    test = command(pathlib.Path(script))
    model = model_file()
    url = f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as config:
        arguments = [varve, "serve", card(model, config), "--port", url.rsplit(":", 1)[1]]
        with subprocess.Popen(arguments, env=os.environ | {"XDG_CONFIG_HOME": config}) as server:
            try:
                wait_until_ready(url, server)
                result = subprocess.run([*test, url], check=False).returncode
            finally:
                server.terminate()
                server.wait(60)
    return result or server.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
