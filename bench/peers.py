"""Measures Inferometer and its peers in turn and prints the ratios; see peers.sh.

A round runs every program once, one after the other, so that a machine that gets slower
does so for all of them; a figure is the median over the rounds of each program's own median.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import sys
import time

import peers_report as report
import peers_rows
from peers_programs import (
    NOT_TRUSTWORTHY,
    Failed,
    Floors,
    Inferometer,
    LlamaCpp,
    Models,
    OpenVino,
    Transformers,
    read_afresh,
    run,
    say,
)


class Bench:
    def __init__(self, options):
        self.options = options
        self.samples = report.Samples()
        models = Models(options.cache, options.build / "inferometer")
        given = options, models, self.samples
        self.ours, self.floors = Inferometer(*given), Floors(*given)
        peers = [(LlamaCpp, True), (OpenVino, options.openvino)]
        peers.append((Transformers, options.transformers))
        self.programs = [kind(*given) for kind, wanted in peers if wanted] + [self.floors]
        self.works = {}  # model → works of the chosen rows
        for row in options.rows:
            self.works.setdefault(row.model, set()).add(row.work)
            # A first token is held against own steps, and every step against the bare pass.
            self.works[row.model] |= {"decode"} & {row.work.replace("ttft", "decode")}
        self.prepare(models)

    def prepare(self, models):
        """All that is not measured comes before the first clock runs."""
        self.openable = set()
        for model in self.works:
            for path in {models.weights(model), models.gguf(model)}:
                read_afresh(path)
            why = self.ours.can_open(model)
            if why:
                sentence = f"{model} is measured without Inferometer, which cannot open it: {why}"
                say(sentence)
                self.samples.skipped.append(sentence)
            else:
                self.openable.add(model)
        if any(row.tokens and row.model.startswith("distilgpt2") for row in self.options.rows):
            self.floors.peaks()

    def round(self, model, number):
        """Every other round backwards: nobody always has the same program before it."""
        programs = [self.ours] * (model in self.openable) + self.programs
        for program in programs[:: -1 if number % 2 else 1]:
            program.measure(model, self.works[model])

    def rounds(self):
        """What an interrupt leaves is still worth a table."""
        for number in range(self.options.rounds):
            say(f"round {number + 1} of {self.options.rounds}")
            other_work = OtherWork()
            try:
                for model in self.works:
                    self.round(model, number)
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
    if options.openvino:
        parts.append(f"openvino-genai {version('openvino-genai')}")
    if options.transformers:
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


def at_least_one(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of at least 1')
    return int(text)


def parse_options():
    parser = argparse.ArgumentParser(
        prog="peers.sh",
        epilog="rows: " + ", ".join(row.name for row in peers_rows.ROWS) + ". A word of --only "
        "chooses all rows that have its parts: smollm2, decode, q8_0, smollm2-decode; all.",
    )
    parser.add_argument("--cache", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--out", metavar="FILE", help="write the table to this file, too")
    parser.add_argument("--raw", metavar="FILE", help="write every round's figures as JSON")
    parser.add_argument("--rounds", type=at_least_one, metavar="N", help="5; 1 with --quick")
    parser.add_argument(
        "--repeats", type=at_least_one, metavar="N", help="requests of a kind in a round: 8"
    )
    parser.add_argument("--threads", type=at_least_one, default=2, metavar="N")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="these rows only")
    parser.add_argument("--quick", action="store_true", help="one round of 4 requests")
    parser.add_argument("--transformers", action="store_true", help="set it beside, too")
    parser.add_argument("--no-openvino", dest="openvino", action="store_false")
    options = parser.parse_args()
    try:
        options.rows = peers_rows.choose([w for words in options.only for w in words.split(",")])
    except ValueError as error:
        parser.error(str(error))
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.repeats = options.repeats or (4 if options.quick else 8)
    return options


def main():
    options = parse_options()
    bench = Bench(options)
    bench.rounds()
    host = describe_host(options)
    table = report.render(bench.samples, options.rows, host)
    print(table, end="")
    if options.out:
        write_whole(options.out, table)
    if options.raw:
        rounds = [
            {"model": m, "work": w, "program": p, "ms": v}
            for (m, w, p), v in bench.samples.rounds.items()
        ]
        write_whole(options.raw, json.dumps({"host": host, "rounds": rounds}, indent=1) + "\n")
    good, sentence = report.same_work(bench.samples)
    if not good:
        sys.exit(f"peers: not the same work, so the times mean nothing. {sentence}")
    if not report.trustworthy(bench.samples):
        say("not trustworthy: other programs kept the machine busy")
        sys.exit(NOT_TRUSTWORTHY)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"peers: {failure}")
