"""The programs that bench/peers.sh sets side by side: each measures works on a model, and the
models are made or found once for all of them."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import peers_report as report
from peers_rows import BARE, LLAMA, OPENVINO, OURS, SMOLLM2, TOUCH, TRANSFORMERS

HERE = pathlib.Path(__file__).parent
PROMPT = "An increasing sequence: one,"
PROMPT_IDS = {"distilgpt2": "2025,3649,8379,25,530,11", SMOLLM2: "2089,2474,5972,42,582,28"}
NEW_TOKENS = 20
DEEP = 4096  # the depth that the others are cut from
NOT_TRUSTWORTHY = 3  # Inferometer's exit code for: measured, but the machine was not quiet
QUANTIZED = ("q8_0", "q4_0")


class Failed(Exception):
    """A command that did not do what it should; its words are for people."""


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def run(command, codes=(0,), **options):
    """Standard output of a command."""
    command = [str(word) for word in command]
    options |= {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run(command, **options)
    if done.returncode not in codes:
        words = " ".join(command)
        raise Failed(f"{words[:300]}: exit {done.returncode}\n{done.stderr[-2000:]}")
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
    """The same random weights of distilgpt2's shape for everybody, made once and kept, and
    the one real model."""

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

    def gguf(self, model):
        if model == SMOLLM2:
            return self.cache / "smollm2.gguf"
        dtype = model.removeprefix("distilgpt2-")
        path = self.cache / f"{model.replace(':', '-')}.gguf"
        if dtype.startswith(QUANTIZED):
            layers, _, mixed = dtype.partition(":")
            quantize = [self.cache / "quantize_llama", self.gguf("distilgpt2-f32")]
            words = [layers, *(["mixed"] if mixed else [])]
            return self.make(path, lambda out: [*quantize, out, *words])
        convert = [sys.executable, HERE / "to_gguf.py", self.directory(dtype)]
        return self.make(path, lambda out: [*convert, out])

    def ours(self, model):
        """What our own engine is given: the hub's form where the types are the hub's."""
        dtype = model.removeprefix("distilgpt2-")
        if model == SMOLLM2 or dtype.startswith(QUANTIZED):
            return self.gguf(model)
        return self.directory(dtype)

    def weights(self, model):
        path = self.ours(model)
        return path / "model.safetensors" if path.is_dir() else path

    def decode_bytes(self, model):
        """All tensors but the positions, of which a token reads one row, and an embedding
        that is not the head as well."""
        import gguf

        tensors = {t.name: int(t.n_bytes) for t in gguf.GGUFReader(self.gguf(model)).tensors}
        tensors.pop("position_embd.weight", None)
        if "output.weight" in tensors:
            tensors.pop("token_embd.weight")
        return sum(tensors.values())


class Program:
    """Measures works on models into the samples; works that it cannot do it leaves out."""

    def __init__(self, options, models, samples):
        self.options, self.models, self.samples = options, models, samples

    def prompt_ids(self, model):
        return PROMPT_IDS[model.split("-")[0]]

    def keep(self, model, program, result, works):
        """One figure a work: the median. `program` may say in which setting it ran."""
        for work in works & result.keys():
            self.samples.keep(model, work, program, statistics.median(result[work]))
        if "ids" in result:
            self.samples.tokens[model, self.name] = result["ids"]

    def steps(self, command, model, path, works, **options):
        """What bench/steps.c and steps_openvino.py have in common; {} for nothing to do."""
        words = steps_words(works)
        if not words:
            return {}
        given = [path, self.options.threads, self.options.repeats, self.prompt_ids(model)]
        return json.loads(run([*command, *given, *words], **options))


def steps_words(works):
    """The words of steps.c that measure these works in the least time."""
    words = ["first"] if works & {"ttft", "decode"} else []
    depths = sorted((int(w.split()[1]) for w in works if w.startswith("decode ")), reverse=True)
    if depths:
        deepest = max(DEEP, *depths) if f"prefill {DEEP}" in works else depths[0]
        words.append(f"{deepest}:{','.join(map(str, depths))}")
    for work in sorted(works):
        if work.startswith("prefill ") and not (depths and work == f"prefill {DEEP}"):
            words.append(work.split()[1])
    return words


class Inferometer(Program):
    name = OURS

    def measure(self, model, works):
        path = self.models.ours(model)
        if works & {"ttft", "decode"}:
            self.warm(model, path, works)
        command = [self.options.build / "bench" / "steps"]
        rest = {work for work in works if " " in work}
        self.keep(model, OURS, self.steps(command, model, path, rest), rest)
        threads = self.options.threads
        for work, n_tokens in (("cold", 1), ("whole", NEW_TOKENS)):
            if work in works:
                example = self.options.build / "examples" / "first_token"
                command = [example, path, PROMPT, n_tokens, threads]
                ms = median_of(4, lambda: time_process(command))
                self.samples.keep(model, work, OURS, ms)

    def warm(self, model, path, works):
        """As people measure it: through `inferometer run`."""
        command = [self.options.build / "inferometer", "run", "-m", path, "--quiet", "--json", "-"]
        command += ["--threads", self.options.threads, "--prompt-ids", self.prompt_ids(model)]
        command += ["-n", NEW_TOKENS, "--ignore-eos", "--cold", 0, "--warmup", 2]
        command += ["--warm", self.options.repeats]
        document = json.loads(run(command, codes=(0, NOT_TRUSTWORTHY)))
        warm = document["summary"]["warm"]
        times = {"ttft": [warm["ttft"]["p50"]], "decode": [warm["itl"]["p50"]]}
        self.keep(model, OURS, times | {"ids": document["requests"][-1]["output_ids"]}, works)

    def can_open(self, model):
        """None, or why the present build cannot compute this model."""
        command = [self.options.build / "bench" / "steps", self.models.ours(model)]
        try:
            run([*command, self.options.threads, 1, "1,2,3", 8])
        except Failed as failure:
            return str(failure).strip().splitlines()[-1]
        return None


class LlamaCpp(Program):
    name = LLAMA

    def measure(self, model, works):
        path = self.models.gguf(model)
        for flash, name in ((1, report.FLASH), (0, report.NO_FLASH)):
            # Without flash attention long prompts take thrice as long, decoding after them a
            # third: for the depths both are measured, for the rest the better one.
            some = works if flash else {w for w in works if w.startswith("decode ")}
            environment = os.environ | {"IFM_FLASH": str(flash)}
            command = [self.options.cache / "steps_llama"]
            self.keep(model, name, self.steps(command, model, path, some, env=environment), some)
        for work, n_tokens in (("cold", 1), ("whole", NEW_TOKENS)):
            if work in works:
                for name, words in ((report.FLASH, []), (report.NO_REPACK, ["--no-repack"])):
                    ms = self.complete(path, n_tokens, words)
                    self.samples.keep(model, work, name, ms)

    def complete(self, path, n_tokens, words):
        command = [self.options.cache / "llama" / "bin" / "llama-completion", "-m", path]
        command += ["-p", PROMPT, "-n", n_tokens, "-t", self.options.threads, "-c", 1024]
        command += ["-no-cnv", "--no-warmup", "--temp", 0, *words]
        return median_of(4, lambda: time_process(command))


class OpenVino(Program):
    """Of the models here it reads the Llama family's only."""

    name = OPENVINO

    def measure(self, model, works):
        if model != SMOLLM2:
            return
        path = self.models.gguf(model)
        command = [sys.executable, HERE / "steps_openvino.py"]
        self.keep(model, OPENVINO, self.steps(command, model, path, works), works)
        if "cold" in works:
            command += [path, self.options.threads, 1, self.prompt_ids(model), "cold"]
            self.samples.keep(model, "cold", OPENVINO, time_process(command))


class Transformers(Program):
    name = TRANSFORMERS

    def measure(self, model, works):
        dtype = model.removeprefix("distilgpt2-")
        works = works & {"cold", "ttft", "decode"}
        if model == SMOLLM2 or dtype.startswith(QUANTIZED) or not works:
            return
        quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        command = [sys.executable, HERE / "seed_transformers.py", self.models.directory(dtype)]
        command += [self.options.threads, 5, time.monotonic_ns()]
        result = json.loads(run(command, env=os.environ | quiet))
        times = {
            "cold": [result["cold_ttft"]],
            "ttft": result["warm_ttft"],
            "decode": result["tpot"],
            "ids": result["ids"],
        }
        self.keep(model, TRANSFORMERS, times, works)


class Floors(Program):
    """What nobody can beat on this machine."""

    name = BARE

    def measure(self, model, works):
        if works & {"ttft", "decode"}:
            n_bytes = self.models.decode_bytes(model)
            self.samples.decode_bytes[model] = n_bytes
            command = [self.options.cache / "bare_pass", n_bytes, self.options.threads]
            result = json.loads(run([*command, 4 * self.options.repeats]))
            for pages, name in zip(("small pages", "huge pages"), report.SETTINGS[BARE]):
                self.samples.keep(model, "bare", name, statistics.median(result[pages]))
        if works & {"cold", "whole"}:
            program = self.options.build / "bench" / "touch"
            command = [program, self.models.weights(model), "touch", self.options.threads]
            ms = median_of(5, lambda: float(run(command)))
            self.samples.keep(model, "touch", TOUCH, ms)

    def peaks(self):
        """What our doctor measures: the most operations a second with each type of number."""
        command = [self.options.build / "inferometer", "doctor", "--quick", "--json", "-"]
        document = json.loads(run(command, codes=(0, NOT_TRUSTWORTHY)))
        for entry in find_list(document, "arithmetic"):
            if entry["threads"] <= self.options.threads:
                number, speed = entry["type"], entry["operations_per_s"]
                self.samples.peaks[number] = max(speed, self.samples.peaks.get(number, 0))


def find_list(document, key):
    """The first list of that name, wherever it stands in the document."""
    if isinstance(document, dict):
        if isinstance(document.get(key), list):
            return document[key]
        return next((found for v in document.values() if (found := find_list(v, key))), [])
    return []
