"""Measures Inferometer and its peers in turn and prints the ratios; see peers.sh.

A round runs every program once, one after the other, so that a machine that gets slower
does so for all of them; a figure is the median over the rounds of each program's own median.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

PROMPT = "An increasing sequence: one,"
PREFILL = 512
VOCABULARY = 50257


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def run(command, **options):
    """Standard output of a command; a failure ends the benchmark and shows why."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode not in (0, 3):  # 3: measured, but a noisy machine
        sys.exit(f"peers: {' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


class Bench:
    def __init__(self, options):
        self.options = options
        self.cache = pathlib.Path(options.cache)
        self.program = pathlib.Path(options.root) / "build" / "inferometer"
        self.touch = pathlib.Path(options.root) / "build" / "bench" / "touch"
        self.samples = {}  # (workload, dtype, program) → [median of a round, …]

    def keep(self, workload, dtype, program, value):
        self.samples.setdefault((workload, dtype, program), []).append(value)

    # The same random weights for everybody.

    def model(self, dtype):
        directory = self.cache / f"distilgpt2-{dtype}"
        if not directory.exists():
            say(f"making {directory}")
            run([self.program, "model", "synth", "distilgpt2", "-o", directory, "--dtype", dtype, "--seed", "1"])
        return directory

    def gguf(self, dtype):
        path = self.cache / f"distilgpt2-{dtype}.gguf"
        if not path.exists():
            say(f"making {path}")
            convert = next(self.cache.glob("src/llama_cpp_python-*/vendor/llama.cpp/convert_hf_to_gguf.py"))
            temporary = path.with_suffix(".part")
            run([sys.executable, convert, self.model(dtype), "--outtype", dtype, "--outfile", temporary])
            temporary.rename(path)
        return path

    # Ours.

    def inferometer(self, dtype, *arguments):
        out = run([self.program, "run", "-m", self.model(dtype), "--threads", str(self.options.threads),
                   "--quiet", "--json", "-", *arguments])
        return json.loads(out)

    def ours_cold(self, dtype):
        document = self.inferometer(dtype, "-p", PROMPT, "-n", "1", "--cold", "6", "--warm", "0", "--warmup", "0")
        self.keep("cold", dtype, "ours", document["summary"]["cold"]["ttft"]["p50"])

    def ours_warm(self, dtype):
        document = self.inferometer(dtype, "-p", PROMPT, "-n", "20", "--ignore-eos",
                                    "--cold", "0", "--warmup", "2", "--warm", str(self.options.repeats))
        warm = document["summary"]["warm"]
        self.keep("ttft", dtype, "ours", warm["ttft"]["p50"])
        self.keep("step", dtype, "ours", warm["itl"]["p50"])
        self.keep("bandwidth", dtype, "ours", document["host"]["decode_bandwidth_frac"])
        self.keep("bandwidth", dtype, "GB/s of the host", document["host"]["read_bandwidth_bytes_per_s"] / 1e9)

    def ours_prefill(self, dtype):
        ids = ",".join(str((1 + 7919 * i) % VOCABULARY) for i in range(PREFILL))
        document = self.inferometer(dtype, "--prompt-ids", ids, "-n", "1",
                                    "--cold", "0", "--warmup", "1", "--warm", str(self.options.repeats))
        self.keep("prefill", dtype, "ours", document["summary"]["warm"]["phases"]["prefill"]["p50"])

    # Theirs.

    def llama_cold(self, dtype):
        binary = self.cache / "llama" / "bin" / "llama-completion"
        command = [binary, "-m", self.gguf(dtype), "-p", PROMPT, "-n", "1", "-t", str(self.options.threads),
                   "-no-cnv", "--no-warmup", "--temp", "0"]
        times = []
        for _ in range(4):
            start = time.monotonic_ns()
            run(command, stdin=subprocess.DEVNULL)
            times.append((time.monotonic_ns() - start) / 1e6)
        self.keep("cold", dtype, "llama.cpp", statistics.median(times[1:]))

    def llama_steps(self, dtype):
        out = run([self.cache / "llama_steps", self.gguf(dtype), str(self.options.threads), str(self.options.repeats)])
        for workload, values in json.loads(out).items():
            self.keep(workload, dtype, "llama.cpp", statistics.median(values))

    def transformers(self, dtype):
        script = pathlib.Path(__file__).with_name("seed_transformers.py")
        out = run([sys.executable, script, self.model(dtype), str(self.options.threads), "5",
                   str(time.monotonic_ns())],
                  env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
        result = json.loads(out)
        self.keep("cold", dtype, "Transformers", result["cold_ttft"])
        self.keep("ttft", dtype, "Transformers", statistics.median(result["warm_ttft"]))
        self.keep("step", dtype, "Transformers", statistics.median(result["tpot"]))

    def floor_cold(self, dtype):
        weights = self.model(dtype) / "model.safetensors"
        times = [float(run([self.touch, weights, "touch", str(self.options.threads)])) for _ in range(5)]
        self.keep("cold", dtype, "touching the mapped file", statistics.median(times))

    def round(self):
        only = self.options.only
        for dtype in self.options.dtypes:
            if "cold" in only:
                self.floor_cold(dtype)
                self.ours_cold(dtype)
                self.llama_cold(dtype)
            if {"ttft", "step"} & only:
                self.ours_warm(dtype)
            if "prefill" in only:
                self.ours_prefill(dtype)
            if {"ttft", "step", "prefill"} & only:
                self.llama_steps(dtype)
            if dtype == "f32" and not self.options.skip_transformers and only - {"prefill"}:
                self.transformers(dtype)

    # The table.

    def median(self, workload, dtype, program):
        values = self.samples.get((workload, dtype, program))
        return statistics.median(values) if values else None

    def bars(self, workload, dtype):
        """(what it is held against, limit for ours) for each bar of a workload."""
        llama = self.median(workload, dtype, "llama.cpp")
        if workload == "cold" and dtype == "f32":
            touched = self.median("cold", dtype, "touching the mapped file")
            transformers = self.median("cold", dtype, "Transformers")
            if transformers:
                yield "Transformers ÷ 100", transformers / 100
            yield "llama.cpp ÷ 8, or 1.3 × touching if more", max(llama / 8, 1.3 * touched)
        elif workload == "ttft":
            yield "1.25 × own step", 1.25 * self.median("step", dtype, "ours")
        elif workload in ("step", "prefill"):
            yield "llama.cpp", llama

    def rows(self):
        titles = {"cold": "cold start to first token, ms", "ttft": "warm TTFT, 6 tokens, ms",
                  "step": "decode step (TPOT), ms", "prefill": f"prefill of {PREFILL} tokens, ms"}
        for workload, title in titles.items():
            for dtype in self.options.dtypes:
                ours = self.median(workload, dtype, "ours")
                if ours is None:
                    continue
                peers = [self.median(workload, dtype, p) for p in ("llama.cpp", "Transformers")]
                verdicts = [f"{name}: {'met' if ours <= bar else 'MISSED'} ({ours / bar:.2f} of {bar:.2f})"
                            for name, bar in self.bars(workload, dtype)]
                yield [title, dtype, f"{ours:.2f}", *(f"{p:.2f}" if p else "–" for p in peers),
                       f"{peers[0] / ours:.2f}×" if peers[0] else "–", "; ".join(verdicts) or "–"]
        for dtype in self.options.dtypes:
            share, limit = self.median("bandwidth", dtype, "ours"), self.median("bandwidth", dtype, "GB/s of the host")
            if share:
                yield ["decode, share of read bandwidth", dtype, f"{100 * share:.0f}% of {limit:.1f} GB/s", "–", "–",
                       "–", f"85%: {'met' if share >= 0.85 else 'MISSED'}"]

    def table(self):
        head = ["workload", "weights", "ours", "llama.cpp", "Transformers", "llama.cpp ÷ ours", "bar"]
        lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *self.rows()]]
        spread = ["", "Spread of each figure over the rounds (min – max):", ""]
        for (workload, dtype, program), values in sorted(self.samples.items()):
            spread.append(f"- {workload}, {dtype}, {program}: {min(values):.3g} – {max(values):.3g}")
        return "\n".join([self.host(), "", *lines, *spread]) + "\n"

    def host(self):
        def first_line(command):
            return run(command).strip().splitlines()[0]

        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                   platform.processor()) if os.path.exists("/proc/cpuinfo") else platform.processor()
        llama = next(self.cache.glob("src/llama_cpp_python-*/"), pathlib.Path("?")).name
        versions = run([sys.executable, "-c",
                        "import torch, transformers; print(torch.__version__, transformers.__version__)"]).split()
        return (f"{cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; "
                f"{first_line(['cc', '--version'])}; Inferometer {first_line([self.program, '--version'])}; "
                f"llama.cpp of {llama}; torch {versions[0]}, transformers {versions[1]}; "
                f"{self.options.threads} threads, {self.options.rounds} rounds, "
                f"{time.strftime('%Y-%m-%d', time.gmtime())}")


def options():
    parser = argparse.ArgumentParser(prog="peers.sh")
    parser.add_argument("--cache", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--root", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--out", help="write the table to this file too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=10, help="requests of a kind in a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="cold,ttft,step,prefill")
    parser.add_argument("--dtypes", default="f32,f16,bf16")
    parser.add_argument("--quick", action="store_true", help="one round, few repeats")
    parser.add_argument("--skip-transformers", action="store_true")
    parsed = parser.parse_args()
    parsed.only = set(parsed.only.split(","))
    parsed.dtypes = parsed.dtypes.split(",")
    if parsed.quick:
        parsed.rounds, parsed.repeats = 1, 6
    return parsed


def main():
    bench = Bench(options())
    for number in range(bench.options.rounds):
        say(f"round {number + 1} of {bench.options.rounds}")
        bench.round()
    table = bench.table()
    print(table)
    if bench.options.out:
        temporary = pathlib.Path(bench.options.out + ".part")
        temporary.write_text(table)
        temporary.rename(bench.options.out)


main()
