#!/usr/bin/env python3
"""The client of `load` beside others, against one server whose times are known.

    bench/clients.py [--rounds N] [--streams "64 512"] INFEROMETER

Each tool in turn sends 512 requests, so many at once, to `inferometer mock-server`: first
token after 200 ms, then 50 tokens 20 ms apart. What it reports as TTFT beyond 200 ms is its
error, since the server answers each request 200 ms after it came; with what it made the
server late, which shares the processors with it and says so (last column). Processor time is
the tool's whole, its start included.

AIPerf and guidellm are installed from PyPI into IFM_CLIENTS_DIR (default:
~/.cache/inferometer/clients): 7 GB, since guidellm brings torch. --tools leaves some out.
Prints a table for docs/SPEED.md: medians of the rounds.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent
TTFT_MS, ITL_MS, TOKENS, REQUESTS, PROMPT = 200, 20, 50, 512, 16
TOKENIZER = "local/words"  # a name as of a hub, in a cache of our own: nobody is asked


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("IFM_CLIENTS_DIR") or f"{home}/inferometer/clients")


def install(name):
    """The tool's program, in a venv of its own."""
    where = cache() / name
    program = where / "bin" / name
    if not program.exists():
        print(f"installing {name} into {where} …", file=sys.stderr)
        shutil.rmtree(where, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", where], check=True)
        subprocess.run([where / "bin" / "pip", "install", "-q", "--only-binary", ":all:",
                        name], check=True)
    return str(program)


def hub():
    """A hub's cache with one small tokenizer, for tools that will not do without."""
    home = cache() / "hub"
    place = home / "hub" / ("models--" + TOKENIZER.replace("/", "--"))
    snapshot = place / "snapshots" / "1"
    snapshot.mkdir(parents=True, exist_ok=True)
    (place / "refs").mkdir(exist_ok=True)
    (place / "refs" / "main").write_text("1")
    shutil.copy(SOURCE / "tests/reference/tokenizer/llama2/tokenizer.json", snapshot)
    (snapshot / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 4096}')
    (snapshot / "config.json").write_text('{"model_type": "llama"}')
    return {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class Server:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "mock-server", "--ttft", str(TTFT_MS), "--itl", str(ITL_MS),
             "--tokens", str(TOKENS), "--shape", "usage"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.late_ms = None
        self.url = self.process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        said = "".join(self.process.communicate())
        self.late_ms = float(re.search(r"late by .*?p99 ([\d.]+)", said)[1]) / 1e3


def ask_inferometer(program, url, streams, out):
    path = out / "load.json"
    yield [program, "load", "--url", url, "--model", "mock", "-c", str(streams), "-n",
           str(REQUESTS), "--input-len", str(PROMPT), "--output-len", str(TOKENS), "--json",
           str(path), "--quiet"]
    s = json.loads(path.read_text())["summary"]["warm"]["server_ttft"]
    yield s["p50"], s["p99"]


def ask_aiperf(program, url, streams, out):
    yield [program, "profile", "--model", "mock", "--url", url, "--endpoint-type",
           "completions", "--streaming", "--concurrency", str(streams), "--request-count",
           str(REQUESTS), "--synthetic-input-tokens-mean", str(PROMPT),
           "--output-tokens-mean", str(TOKENS), "--tokenizer", TOKENIZER, "--ui", "none",
           "--artifact-dir", str(out)]
    s = json.loads((out / "profile_export_aiperf.json").read_text())["time_to_first_token"]
    yield s["p50"], s["p99"]


def ask_guidellm(program, url, streams, out):
    path = out / "guidellm.json"
    yield [program, "run", "--backend", f"kind=openai_http,target={url},model=mock",
           "--profile", f"kind=concurrent,streams={streams}", "--constraint",
           f"kind=max_requests,count={REQUESTS}", "--tokenizer",
           f"kind=hf_auto,model={TOKENIZER}", "--data",
           f"kind=synthetic_text,prompt_tokens={PROMPT},output_tokens={TOKENS}", "--output",
           f"kind=json,path={path}", "--disable-console"]
    metrics = json.loads(path.read_text())["benchmarks"][0]["metrics"]
    s = metrics["time_to_first_token_ms"]["successful"]["percentiles"]
    yield s["p50"], s["p99"]


ASK = {"inferometer": ask_inferometer, "aiperf": ask_aiperf, "guidellm": ask_guidellm}


def measure(tool, program, server, streams, environment):
    """(error of the median, of p99, processor seconds per 1,000 events, the server's p99)"""
    running = Server(server)
    with tempfile.TemporaryDirectory() as directory, running:
        steps = ASK[tool](program, running.url, streams, pathlib.Path(directory))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(next(steps), env={**os.environ, **environment},
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 3):  # 3: Inferometer does not trust the run
            sys.exit(f"{tool}: exit {done.returncode}\n{done.stderr[-2000:]}")
        p50, p99 = next(steps)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return p50 - TTFT_MS, p99 - TTFT_MS, cpu / (REQUESTS * TOKENS / 1000), running.late_ms


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--streams", default="64 512")
    parser.add_argument("--tools", default="inferometer aiperf guidellm")
    parser.add_argument("inferometer")
    asked = parser.parse_args()
    tools = asked.tools.split()
    programs = {t: asked.inferometer if t == "inferometer" else install(t) for t in tools}
    environment, found = hub(), {}
    for _ in range(asked.rounds):
        for streams in asked.streams.split():
            for tool in tools:
                one = measure(tool, programs[tool], asked.inferometer, int(streams),
                              environment)
                found.setdefault((streams, tool), []).append(one)
                print(f"{streams} {tool}: {one[0]:.3f} / {one[1]:.3f} ms, {one[2]:.4f} s, "
                      f"server late {one[3]:.3f} ms", file=sys.stderr)
                time.sleep(1)
    print("| streams at once | tool | TTFT error, p50 / p99, ms | CPU s per 1,000 events | "
          "server late, p99, ms |")
    print("| --- | --- | --- | --- | --- |")
    for (streams, tool), rounds in found.items():
        p50, p99, cpu, late = (statistics.median(v) for v in zip(*rounds))
        print(f"| {streams} | {tool} | {p50:.2f} / {p99:.2f} | {cpu:.3f} | {late:.2f} |")


if __name__ == "__main__":
    main()
