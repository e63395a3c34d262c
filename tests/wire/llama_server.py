#!/usr/bin/env python3
"""Inferometer beside a real server: llama.cpp's llama-server with SmolLM2.

    tests/wire/llama_server.py [--build] INFEROMETER

`run --url` and `load` go to a server that this script starts, and what they wrote is held
against what the server itself says: tokens against its usage and its counters, times
against its own timings. No time is held against a bar.

The server is $IFM_LLAMA_SERVER, or the one in the directory that bench/peers.sh uses
(IFM_PEERS_DIR). --build makes it there from PyPI's llama-cpp-python source package, which
has llama.cpp inside: some minutes, once; needs cmake, ninja and a C++ compiler. Without the
server or the model the test is skipped (77) and says so.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
AMX = SOURCE / "bench" / "llama_amx.h"  # without it llama.cpp may crash; see there
SKIPPED = 77  # what Meson takes for "skipped"
PLACES = 4  # requests that the server computes at once
READY_WITHIN_S = 120
INPUT, OUTPUT, REQUESTS = 40, 16, 12


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("IFM_PEERS_DIR") or f"{home}/inferometer/peers")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def sources(into):
    """llama.cpp's, as bench/peers.sh leaves them or from the package."""
    pattern = "src/*/vendor/llama.cpp/CMakeLists.txt"
    if not list(into.glob(pattern)):
        part = into / "src.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
             "llama-cpp-python", "-d", part, "llama-cpp-python"], check=True)
        with tarfile.open(next(part.glob("llama_cpp_python-*.tar.gz"))) as package:
            package.extractall(part)
        part.rename(into / "src")
    return next(into.glob(pattern)).parent


def build(into):
    """The web page is left out: it is not in the package but on a server."""
    into.mkdir(parents=True, exist_ok=True)
    place = into / "llama-server-build"
    subprocess.run(
        ["cmake", "-S", sources(into), "-B", place, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
         "-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_CURL=OFF",
         "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF",
         "-DLLAMA_BUILD_SERVER=ON", "-DLLAMA_BUILD_UI=OFF", "-DLLAMA_USE_PREBUILT_UI=OFF",
         f"-DCMAKE_CXX_FLAGS=-include {AMX}"],
        check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", place, "llama-server"], check=True)
    part = into / "llama-server.part"
    shutil.copy2(place / "bin" / "llama-server", part)
    part.rename(into / "llama-server")


def find_server(may_build):
    named = os.environ.get("IFM_LLAMA_SERVER")
    program = pathlib.Path(named) if named else cache() / "llama-server"
    if not program.exists() and may_build and not named:
        build(cache())
    if not os.access(program, os.X_OK):
        skip(f"no llama-server at {program}: {sys.argv[0]} --build INFEROMETER makes it")
    return program


def find_model(inferometer):
    if (cache() / "smollm2.gguf").exists():
        return cache() / "smollm2.gguf"
    pulled = subprocess.run([inferometer, "model", "pull", "smollm2"], text=True,
                            capture_output=True, check=False)
    path = re.search(r"^path\s+(.+\.gguf)$", pulled.stdout + pulled.stderr, re.MULTILINE)
    if pulled.returncode != 0 or not path:
        skip("SmolLM2 cannot be fetched here")
    return pathlib.Path(path[1])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def is_ready(url):
    try:
        get(url + "/health")
    except (urllib.error.URLError, OSError):  # 503 while it loads
        return False
    return True


@contextlib.contextmanager
def serving(program, model):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [program, "-m", model, "-c", "4096", "--parallel", str(PLACES), "-t", "1",
         "--port", str(port), "--metrics"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + READY_WITHIN_S
            while not is_ready(url):
                assert server.poll() is None, f"llama-server ended with {server.returncode}"
                assert time.monotonic() < until, "llama-server does not become ready"
                time.sleep(0.1)
            yield url
        finally:
            server.terminate()


def counters(url):
    """What the server has counted: prompt tokens that it computed, tokens it generated."""
    found = dict(line.rsplit(" ", 1) for line in get(url + "/metrics").splitlines()
                 if line and line[0] != "#")
    return tuple(int(float(found[f"llamacpp:{name}_total"]))
                 for name in ("prompt_tokens", "tokens_predicted"))


def measured(inferometer, folder, *arguments):
    path = os.path.join(folder, "result.json")
    out = subprocess.run([inferometer, *arguments, "--json", path], text=True,
                         capture_output=True, timeout=600, check=False)
    # 3: measured, but the machine was busy, which is not what is tested.
    assert out.returncode in (0, 3), out.stderr or out.stdout
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def check_request(r):
    usage, server = r["usage"], r["server"]
    assert r["ok"] and r["outcome"] == "ok" and r["status"] == 200, r
    assert r["finish_reason"] == "length" and r["text"]
    # Tokens: what was asked, what arrived, what the server says twice.
    assert OUTPUT == usage["completion_tokens"] == server["generation_tokens"]
    assert len(r["token_ns"]) == OUTPUT and r["token_ns"] == sorted(r["token_ns"])
    assert sum(event["tokens"] for event in r["events"]) == OUTPUT
    assert server["prompt_tokens"] + (r["cached_tokens"] or 0) == usage["prompt_tokens"]
    # Time: the server's part lies inside ours.
    assert 0 < server["prompt_ns"] <= r["ttft_ns"], (server, r["ttft_ns"])
    assert server["prompt_ns"] + server["generation_ns"] <= r["end_ns"] + 1_000_000
    assert r["ttft_ns"] == r["token_ns"][0] and r["e2el_ns"] == r["token_ns"][-1]
    assert sum(r["itl_ns"]) == r["e2el_ns"] - r["ttft_ns"]
    assert r["sent_ns"] <= r["headers_ns"] <= r["first_event_ns"] <= r["ttft_ns"]


def check_run(inferometer, url, folder):
    result = measured(inferometer, folder, "run", "--url", url, "--warm", "3", "--warmup", "1",
                      "--output-len", str(OUTPUT))
    warm = [r for r in result["requests"] if r["start"] == "warm"]
    assert len(warm) >= 3
    for r in result["requests"]:
        check_request(r)
    # The same request: its prompt is known but for the last token, and greedy is greedy.
    assert all(r["cached_tokens"] > 0 for r in warm)
    assert len({r["text"] for r in warm}) == 1
    assert "cached-prompts" in [w["code"] for w in result["warnings"]]
    print(f"run: {len(warm)} warm requests, as the server says")


def check_load(inferometer, url, folder, model):
    before = counters(url)
    result = measured(inferometer, folder, "load", "--url", url, "-c", str(PLACES), "-n",
                      str(REQUESTS), "--input-len", str(INPUT), "--output-len", str(OUTPUT),
                      "--tokenizer", str(model))
    after, load = counters(url), result["load"]
    for r in result["requests"]:
        check_request(r)
        assert r["usage"]["prompt_tokens"] == INPUT, r["usage"]
    assert load["outcomes"] == {"ok": REQUESTS} and len(result["requests"]) == REQUESTS
    assert load["sum_input_tokens"] == INPUT * REQUESTS and load["prompt_mismatches"] == 0
    assert load["sum_output_tokens"] == OUTPUT * REQUESTS
    assert load["client"]["peak_in_flight"] == PLACES
    # A prompt may begin as another did: what the server knows it does not compute.
    known = sum(r["cached_tokens"] or 0 for r in result["requests"])
    assert after[0] - before[0] == INPUT * REQUESTS - known, (before, after, known)
    assert after[1] - before[1] == OUTPUT * REQUESTS, (before, after)
    print(f"load: {REQUESTS} requests, {PLACES} at a time, as the server counts")


def main():
    may_build = "--build" in sys.argv[1:]
    rest = [a for a in sys.argv[1:] if a != "--build"]
    if len(rest) != 1:
        sys.exit(__doc__)
    inferometer = os.path.abspath(rest[0])
    server, model = find_server(may_build), find_model(inferometer)
    with serving(server, model) as url, tempfile.TemporaryDirectory() as folder:
        check_run(inferometer, url, folder)
        check_load(inferometer, url, folder, model)


if __name__ == "__main__":
    main()
