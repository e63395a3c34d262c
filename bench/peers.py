"""Measures Inferometer and its peers in turn and prints the ratios; see peers.sh.

A round runs every program once, one after the other, so that a machine that gets slower
does so for all of them; a figure is the median over the rounds of each program's own median.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import peers_report as report
from peers_report import LLAMA, OURS, PREFILL, TRANSFORMERS

HERE = pathlib.Path(__file__).parent
PROMPT = "An increasing sequence: one,"
NEW_TOKENS = 20
VOCABULARY = 50257
NOT_TRUSTWORTHY = 3  # Inferometer's exit code for: measured, but the machine was not quiet
WORKLOADS = ["cold", "whole", "ttft", "step", "prefill", "floor"]
DTYPES = ["f32", "f16", "bf16"]


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def run(command, codes=(0,), **options):
    """Standard output of a command; a failure ends the benchmark and shows why."""
    command = [str(word) for word in command]
    options |= {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run(command, **options)
    if done.returncode not in codes:
        sys.exit(f"peers: {' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def time_process(command):
    """From before the process is spawned until it is gone, in ms."""
    start = time.monotonic_ns()
    run(command)
    return (time.monotonic_ns() - start) / 1e6


def median_of(times, measure):
    return statistics.median(measure() for _ in range(times))


def read_afresh(path):
    """Into the page cache from the disk, every file in the same way.

    How a file was written decides how large the pages are that it is later mapped with, and
    that is a fifth of a decode step: nobody is to gain or lose by it (docs/SPEED.md).
    """
    with open(path, "rb", buffering=0) as file:
        os.fsync(file.fileno())  # what is not on the disk yet cannot be dropped
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while file.read(1 << 20):
            pass


class Models:
    """The same random weights for everybody, made once and kept."""

    def __init__(self, cache, inferometer):
        self.cache = cache
        self.inferometer = inferometer

    def make(self, path, command):
        """command(temporary path) makes it; it takes its name only when it is whole."""
        if path.exists():
            return path
        say(f"making {path}")
        temporary = path.with_name(path.name + ".part")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.unlink(missing_ok=True)
        run(command(temporary))
        temporary.rename(path)
        return path

    def directory(self, dtype):
        synth = [self.inferometer, "model", "synth", "distilgpt2", "--dtype", dtype, "--seed", 1]
        return self.make(self.cache / f"distilgpt2-{dtype}", lambda out: [*synth, "-o", out])

    def weights(self, dtype):
        return self.directory(dtype) / "model.safetensors"

    def gguf(self, dtype):
        directory = self.directory(dtype)
        convert = [sys.executable, HERE / "to_gguf.py", directory]
        return self.make(self.cache / f"distilgpt2-{dtype}.gguf", lambda out: [*convert, out])


class Inferometer:
    def __init__(self, options, models, samples):
        self.options, self.models, self.samples = options, models, samples
        self.example = options.build / "examples" / "first_token"

    def measure(self, dtype, *arguments):
        return json.loads(
            run(
                [
                    self.options.build / "inferometer",
                    "run",
                    "-m",
                    self.models.directory(dtype),
                    "--threads",
                    self.options.threads,
                    "--quiet",
                    "--json",
                    "-",
                    *arguments,
                ],
                codes=(0, NOT_TRUSTWORTHY),
            )
        )

    def cold(self, dtype):
        runs = ["--cold", 6, "--warm", 0, "--warmup", 0]
        document = self.measure(dtype, "-p", PROMPT, "-n", 1, *runs)
        self.samples.keep("cold", dtype, OURS, document["summary"]["cold"]["ttft"]["p50"])

    def whole(self, dtype):
        """Timed from outside, as llama.cpp is: the C example, which uses all the cores."""
        if self.options.threads == len(os.sched_getaffinity(0)):
            command = [self.example, self.models.directory(dtype), PROMPT]
            self.samples.keep("whole", dtype, OURS, median_of(4, lambda: time_process(command)))

    def warm(self, dtype):
        document = self.measure(
            dtype,
            "-p",
            PROMPT,
            "-n",
            NEW_TOKENS,
            "--ignore-eos",
            "--cold",
            0,
            "--warmup",
            2,
            "--warm",
            self.options.repeats,
        )
        warm = document["summary"]["warm"]
        self.samples.keep("ttft", dtype, OURS, warm["ttft"]["p50"])
        self.samples.keep("step", dtype, OURS, warm["itl"]["p50"])
        self.samples.tokens[dtype, OURS] = document["requests"][-1]["output_ids"]
        self.samples.decode_bytes[dtype] = document["target"]["model"]["decode_bytes"]
        self.samples.probe.setdefault(dtype, []).append(document["host"]["decode_bandwidth_frac"])

    def prefill(self, dtype):
        ids = ",".join(str((1 + 7919 * i) % VOCABULARY) for i in range(PREFILL))
        document = self.measure(
            dtype,
            "--prompt-ids",
            ids,
            "-n",
            1,
            "--cold",
            0,
            "--warmup",
            1,
            "--warm",
            self.options.repeats,
        )
        phases = document["summary"]["warm"]["phases"]
        self.samples.keep("prefill", dtype, OURS, phases["prefill"]["p50"])


class LlamaCpp:
    def __init__(self, options, models, samples):
        self.options, self.models, self.samples = options, models, samples
        self.binary = options.cache / "llama" / "bin" / "llama-completion"

    def complete(self, dtype, n):
        command = [
            self.binary,
            "-m",
            self.models.gguf(dtype),
            "-p",
            PROMPT,
            "-n",
            n,
            "-t",
            self.options.threads,
            "-no-cnv",
            "--no-warmup",
            "--temp",
            0,
        ]
        return median_of(4, lambda: time_process(command))

    def cold(self, dtype):
        self.samples.keep("cold", dtype, LLAMA, self.complete(dtype, 1))

    def whole(self, dtype):
        self.samples.keep("whole", dtype, LLAMA, self.complete(dtype, NEW_TOKENS))

    def steps(self, dtype, workloads):
        result = json.loads(
            run(
                [
                    self.options.cache / "llama_steps",
                    self.models.gguf(dtype),
                    self.options.threads,
                    self.options.repeats,
                ]
            )
        )
        self.samples.tokens[dtype, LLAMA] = result["ids"]
        for workload in workloads:
            self.samples.keep(workload, dtype, LLAMA, statistics.median(result[workload]))


class Transformers:
    def __init__(self, options, models, samples):
        self.options, self.models, self.samples = options, models, samples

    def measure(self, dtype, workloads):
        quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        result = json.loads(
            run(
                [
                    sys.executable,
                    HERE / "seed_transformers.py",
                    self.models.directory(dtype),
                    self.options.threads,
                    5,
                    time.monotonic_ns(),
                ],
                env=os.environ | quiet,
            )
        )
        self.samples.tokens[dtype, TRANSFORMERS] = result["ids"]
        times = {
            "cold": result["cold_ttft"],
            "ttft": statistics.median(result["warm_ttft"]),
            "step": statistics.median(result["tpot"]),
        }
        for workload in workloads & times.keys():
            self.samples.keep(workload, dtype, TRANSFORMERS, times[workload])


class Floors:
    """What nobody can beat on this machine."""

    def __init__(self, options, models, samples):
        self.options, self.models, self.samples = options, models, samples

    def touch(self, dtype):
        program = self.options.build / "bench" / "touch"
        weights = self.models.weights(dtype)
        for mode, name in [("touch", report.TOUCH), ("populate", report.POPULATE)]:
            command = [program, weights, mode, self.options.threads]
            times = [float(run(command)) for _ in range(5)]
            self.samples.keep("floor", dtype, name, statistics.median(times))

    def bare_pass(self, dtype):
        """Over the bytes that our own engine says it reads; the file's, if it was not asked."""
        n_bytes = self.samples.decode_bytes.get(dtype) or self.models.weights(dtype).stat().st_size
        self.samples.decode_bytes[dtype] = n_bytes
        result = json.loads(
            run(
                [
                    self.options.cache / "bare_pass",
                    n_bytes,
                    self.options.threads,
                    2 * self.options.repeats,
                ]
            )
        )
        self.samples.keep("floor", dtype, report.SMALL, statistics.median(result["small pages"]))
        self.samples.keep("floor", dtype, report.HUGE, statistics.median(result["huge pages"]))


class Bench:
    def __init__(self, options):
        self.options = options
        self.samples = report.Samples()
        models = Models(options.cache, options.build / "inferometer")
        self.ours, self.llama, self.transformers, self.floors = (
            kind(options, models, self.samples)
            for kind in (Inferometer, LlamaCpp, Transformers, Floors)
        )
        for dtype in options.dtypes:  # all of them before the first clock runs
            for path in (models.weights(dtype), models.gguf(dtype)):
                read_afresh(path)

    def round(self, dtype):
        only = self.options.only
        if "floor" in only:
            self.floors.touch(dtype)
        if "cold" in only:
            self.ours.cold(dtype)
            self.llama.cold(dtype)
        if "whole" in only:
            self.ours.whole(dtype)
            self.llama.whole(dtype)
        if only & {"ttft", "step"}:
            self.ours.warm(dtype)
        if "prefill" in only:
            self.ours.prefill(dtype)
        if only & {"ttft", "step", "prefill"}:
            self.llama.steps(dtype, only & {"ttft", "step", "prefill"})
        if "floor" in only:
            self.floors.bare_pass(dtype)
        if only & {"cold", "ttft", "step"} and not self.options.skip_transformers:
            self.transformers.measure(dtype, only)

    def rounds(self):
        """What an interrupt leaves is still worth a table."""
        for number in range(self.options.rounds):
            say(f"round {number + 1} of {self.options.rounds}")
            other_work = OtherWork()
            try:
                for dtype in self.options.dtypes:
                    self.round(dtype)
            except KeyboardInterrupt:
                say("interrupted: the table holds what was measured")
                return
            finally:
                self.samples.other_cores.append(other_work.cores())


class OtherWork:
    """Cores' worth of work by others since it was made (Linux): all that the machine did, less
    this process and the children that it has waited for."""

    def __init__(self):
        self.start, self.others = time.monotonic(), self.seconds()

    @staticmethod
    def seconds():
        words = pathlib.Path("/proc/stat").read_text().split()[1:9]
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words)
        busy = user + nice + system + irq + softirq + steal
        return busy / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])

    def cores(self):
        return max(0.0, self.seconds() - self.others) / (time.monotonic() - self.start)


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return os.uname().machine


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def describe_host(options):
    def first_line(*command):
        return run(command).strip().splitlines()[0]

    source = next(options.cache.glob("src/llama_cpp_python-*/"), pathlib.Path("?")).name
    compiler = first_line(os.environ.get("CC", "cc").split()[-1], "--version")
    system = os.uname()
    parts = [
        f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores, {system.sysname} {system.release}",
        compiler,
        first_line(options.build / "inferometer", "--version"),
        f"llama.cpp of {source} (GGML_NATIVE, Release)",
    ]
    if not options.skip_transformers:
        parts.append(f"torch {version('torch')}, transformers {version('transformers')}")
    parts.append(
        f"{options.threads} threads, {options.rounds} rounds of {options.repeats} requests, "
        + time.strftime("%Y-%m-%d", time.gmtime())
    )
    return "; ".join(parts) + "."


def write_whole(path, text):
    temporary = pathlib.Path(f"{path}.part")
    temporary.write_text(text)
    temporary.rename(path)


def words_of(allowed):
    def parse(text):
        words = text.split(",")
        unknown = [word for word in words if word not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f'"{unknown[0]}" is none of {",".join(allowed)}')
        return words

    return parse


def at_least_one(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of at least 1')
    return int(text)


def parse_options():
    parser = argparse.ArgumentParser(prog="peers.sh")
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--out", metavar="FILE", help="write the table to this file, too")
    parser.add_argument("--raw", metavar="FILE", help="write every round's figures as JSON")
    parser.add_argument("--rounds", type=at_least_one, default=5, metavar="N")
    parser.add_argument(
        "--repeats",
        type=at_least_one,
        default=10,
        metavar="N",
        help="requests of a kind in a round",
    )
    parser.add_argument("--threads", type=at_least_one, default=2, metavar="N")
    parser.add_argument(
        "--only",
        type=words_of(WORKLOADS),
        default=WORKLOADS,
        metavar="WORDS",
        help=f"some of {','.join(WORKLOADS)}",
    )
    parser.add_argument(
        "--dtypes",
        type=words_of(DTYPES),
        default=DTYPES,
        metavar="WORDS",
        help=f"some of {','.join(DTYPES)}",
    )
    parser.add_argument("--quick", action="store_true", help="one round, few repeats")
    parser.add_argument(
        "--skip-transformers",
        action="store_true",
        help="without torch, which is some gigabytes to install",
    )
    options = parser.parse_args()
    options.only = set(options.only)
    if options.quick:
        options.rounds, options.repeats = 1, 4
    return options


def main():
    options = parse_options()
    bench = Bench(options)
    bench.rounds()
    host = describe_host(options)
    table = report.render(bench.samples, options.dtypes, host)
    print(table, end="")
    if options.out:
        write_whole(options.out, table)
    if options.raw:
        rounds = [
            {"workload": w, "weights": d, "program": p, "ms": v}
            for (w, d, p), v in bench.samples.rounds.items()
        ]
        write_whole(options.raw, json.dumps({"host": host, "rounds": rounds}, indent=1) + "\n")
    good, sentence = report.same_work(bench.samples)
    if not good:
        sys.exit(f"peers: not the same work, so the times mean nothing. {sentence}")


if __name__ == "__main__":
    main()
