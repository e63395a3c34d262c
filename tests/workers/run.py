#!/usr/bin/env python3
"""The Transformers worker and the side-by-side run, on the bundled model.

Needs a Python with torch and transformers: $IFM_PYTHON, or this one. Without them the test is
skipped, and says so. Holds the result to the identities of docs/metrics.md and both engines
to the same tokens, and sees that what goes wrong in the worker is said in one line.
"""
import json
import os
import subprocess
import sys
import tempfile

SKIPPED = 77  # what Meson takes for "skipped"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(SOURCE, "build"))
PROGRAM = os.path.join(BUILD, "inferometer")
PYTHON = os.environ.get("IFM_PYTHON", sys.executable)
# bf16 weights: log-probabilities of two implementations (tests/unit/model_reference.c).
TOLERANCE = 2e-2


def has_transformers():
    return subprocess.run([PYTHON, "-c", "import torch, transformers"], capture_output=True,
                          check=False).returncode == 0


def run(*options, python=PYTHON):
    return subprocess.run([PROGRAM, "run", "--python", python, *options], text=True,
                          capture_output=True, timeout=300, check=False)


def check_request(r):
    times = r["token_ns"]
    assert r["ok"] and len(times) == len(r["output_ids"]) > 0
    assert times == sorted(times)
    assert r["ttft_ns"] == times[0] and r["e2el_ns"] == times[-1]
    assert sum(r["phases_ns"].values()) == r["ttft_ns"], r["phases_ns"]
    assert all(ns >= 0 for ns in r["phases_ns"].values())
    assert "".join(e["text"] for e in r["text_events"]) == r["text"]


def check_transformers(r):
    cold = r["start"] == "cold"
    for phase in ("import", "load", "tokenizer"):
        assert (r["phases_ns"][phase] > 0) == cold, (phase, r["phases_ns"])
    assert r["phases_ns"]["prefill"] > 0
    streamer = r["streamer"]
    assert streamer["items"] == len(r["output_ids"]) + 1, "N tokens make N + 1 items"
    assert 0 < streamer["naive_ttft_ns"] < r["ttft_ns"] + 10**9
    assert streamer["first_item_ns"] >= r["token_ns"][0] - 10**6


def side_by_side(directory):
    path = os.path.join(directory, "x.json")
    out = run("--target", "native,transformers", "--cold", "1", "--warmup", "1", "--warm", "2",
              "-n", "8", "--logprobs", "2", "--json", path)
    assert out.returncode in (0, 3), out.stderr
    for words in ("native and transformers generated the same 8", "ratio", "import"):
        assert words in out.stdout, out.stdout
    document = json.load(open(path, encoding="utf-8"))
    by_target = {"native": [], "transformers": []}
    for r in document["requests"]:
        check_request(r)
        by_target[r["target"]].append(r)
    assert [len(x) for x in by_target.values()] == [4, 4]
    for ours, theirs in zip(*by_target.values()):
        check_transformers(theirs)
        assert ours["input_ids"] == theirs["input_ids"]
        assert ours["output_ids"] == theirs["output_ids"]
        assert ours["text"] == theirs["text"]
        for a, b in zip(ours["logprobs"], theirs["logprobs"]):
            assert abs(a - b) < TOLERANCE, (a, b)
    comparison = document["comparison"][0]
    assert comparison["same_tokens"] is True and comparison["warm"]["ttft"]["ratio"] > 0
    assert [t["kind"] for t in document["targets"]] == ["native", "transformers"]


def batch(directory):
    """Three prompts of different lengths, of which one ends early: the same tokens from all."""
    path = os.path.join(directory, "batch.json")
    prompts = os.path.join(directory, "prompts.jsonl")
    with open(prompts, "w", encoding="utf-8") as file:
        file.write('{"prompt": "An increasing sequence: one,"}\n'
                   '{"prompt": "seven, eight,", "max_new_tokens": 3}\n'
                   '{"prompt": "An increasing sequence: one, two, three,"}\n')
    out = run("--target", "native,transformers", "--prompts", prompts, "--batch-size", "3",
              "--cold", "0", "--warmup", "0", "--warm", "1", "-n", "6", "--logprobs", "1",
              # In bf16 it rounds logits to 8 bits, and how often in between depends on torch.
              "--dtype", "float32", "--json", path)
    assert out.returncode in (0, 3), out.stderr
    document = json.load(open(path, encoding="utf-8"))
    by_target = {}
    for r in document["requests"]:
        check_request(r)
        by_target.setdefault(r["target"], []).append(r)
    assert sorted(by_target) == ["native", "ragged", "transformers"], list(by_target)
    for same in zip(*by_target.values()):
        assert len({(r["sequence"], r["finish_reason"]) for r in same}) == 1, same
        assert all(r["input_ids"] == same[0]["input_ids"] for r in same)
        assert all(r["output_ids"] == same[0]["output_ids"] for r in same), same
        for r in same[1:]:
            for a, b in zip(same[0]["logprobs"], r["logprobs"]):
                assert abs(a - b) < TOLERANCE, (r["target"], a, b)
    assert [len(r["output_ids"]) for r in by_target["native"]] == [6, 3, 6]
    assert "positions of the prompts are padding" in out.stdout, out.stdout


def sampled():
    """Drawing with a seed, a stop text, streaming: no comparison, but whole requests."""
    out = run("--target", "transformers", "--cold", "0", "--warmup", "0", "--warm", "2", "-n", "6",
              "--temperature", "1", "--seed", "3", "--stop", "four", "--stream", "--json", "-")
    assert out.returncode in (0, 3), out.stderr
    requests = json.loads(out.stdout)["requests"]
    for r in requests:
        check_request(r)
    assert requests[0]["output_ids"] == requests[1]["output_ids"], "the same seed, other tokens"


def faults(directory):
    out = run("--target", "transformers", "-m", directory, "--cold", "1", "--warm", "0")
    assert out.returncode == 1 and out.stderr.count("\n") == 1, out.stderr
    empty = os.path.join(directory, "model")
    os.mkdir(empty)
    with open(os.path.join(empty, "config.json"), "w", encoding="utf-8") as file:
        file.write('{"model_type": "gpt2"}')
    out = run("--target", "transformers", "-m", empty, "--cold", "1", "--warm", "0")
    assert out.returncode == 1 and "Transformers cannot load it" in out.stderr, out.stderr
    assert out.stderr.count("\n") == 1, out.stderr
    bare = run("--target", "transformers", "--cold", "1", "--warm", "0",
               python=make_bare_python(directory))
    assert bare.returncode == 1 and "pip install torch transformers" in bare.stderr, bare.stderr
    device = run("--target", "transformers", "--device", "mps", "--cold", "1", "--warm", "0")
    if sys.platform != "darwin":
        assert device.returncode == 1 and "no device \"mps\"" in device.stderr, device.stderr


def make_bare_python(directory):
    """A Python that has no packages at all."""
    path = os.path.join(directory, "bare-python")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {PYTHON} -I -S "$@"\n')
    os.chmod(path, 0o755)
    return path


def main():
    if not has_transformers():
        print(f"skipped: {PYTHON} has no torch and transformers (python3 -m pip install torch "
              "transformers; IFM_PYTHON names another Python)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as directory:
        side_by_side(directory)
        batch(directory)
        sampled()
        faults(directory)
    print("ok: side by side, batch, sampled, faults")
    return 0


if __name__ == "__main__":
    sys.exit(main())
