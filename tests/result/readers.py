#!/usr/bin/env python3
"""Exports, loaded by the tools that they are for: AIPerf's own pydantic models, and llama.cpp's
compare-llama-bench.py. What the numbers have to be is in exports.py.

Needs the Python that tools/readers.sh makes: $IFM_READERS names it, else it is looked for in
build/. Skipped without it, and says so.
"""
import json
import os
import subprocess
import sys
import tempfile

import mock

SKIPPED = 77  # what Meson takes for "skipped"
LENGTHS = ("8", "16")
OUTPUT = 4

# Run by that Python. Prints how many lines it took, and what it does not know.
AIPERF = """
import json, pathlib, re, sys
import aiperf
from aiperf.common.models.record_models import MetricRecordInfo

types = pathlib.Path(aiperf.__file__).parent / "metrics" / "types"
tags = set()
for path in types.glob("*.py"):
    tags |= set(re.findall(r'^    tag = "(\\w+)"', path.read_text(), re.MULTILINE))
lines = refused = 0
unknown = set()
for line in sys.stdin:
    try:
        record = MetricRecordInfo.model_validate_json(line)
    except ValueError as error:
        refused += 1
        continue
    lines += 1
    raw = json.loads(line)
    unknown |= set(raw) - set(type(record).model_fields)
    unknown |= set(raw["metadata"]) - set(type(record.metadata).model_fields)
    unknown |= set(raw["metrics"]) - tags
    if raw["error"]:
        unknown |= set(raw["error"]) - set(type(record.error).model_fields)
print(json.dumps({"lines": lines, "refused": refused, "unknown": sorted(unknown)}))
"""


def find_python():
    places = [os.environ.get("IFM_READERS")] + [
        os.path.join(mock.SOURCE, "build", name, "bin", "python") for name in ("torch", "readers")]
    for place in places:
        if place and os.path.exists(script_of(place)):
            return place
    print("skipped: no Python with AIPerf's models and compare-llama-bench.py "
          "(sh tools/readers.sh makes one)")
    sys.exit(SKIPPED)


def script_of(python):
    return os.path.join(os.path.dirname(python), "compare-llama-bench.py")


def ask_aiperf(python, text):
    done = subprocess.run([python, "-c", AIPERF], input=text, text=True, capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_aiperf(python):
    """Reasoning, several tokens an event, warm-up, failures, whole answers."""
    loads = [
        (["--ttft", "3", "--itl", "1", "--shape", "multi:4,role,reasoning:2,usage",
          "--fault", "reset:0.2@3", "--fault", "http-500:0.2"],
         ["-c", "4", "--endpoint", "chat", "-n", "60", "--warmup", "4"]),
        (["--ttft", "1"], ["-n", "6", "--no-stream"]),
        (["--fault", "http-503"], ["-n", "5"]),
    ]
    for server, options in loads:
        with mock.Server(*server) as at:
            document, texts = mock.load(at.url, "--input-len", "16", "--output-len", "8", *options,
                                        export=("aiperf",))
        said = ask_aiperf(python, texts["aiperf"])
        assert said == {"lines": len(document["requests"]), "refused": 0, "unknown": []}, said
    # What it would not take is told from what it takes.
    line = json.loads(texts["aiperf"].splitlines()[0])
    del line["metadata"]["request_end_ns"]
    line["metadata"]["benchmark_phase"] = "lunch"
    said = ask_aiperf(python, json.dumps(line))
    assert said["refused"] == 1, said
    print("aiperf: ok")


def export_rows(path):
    words = [mock.PROGRAM, "run", "--quiet", "--cold", "0", "--warm", "6", "--input-len",
             ",".join(LENGTHS), "--output-len", str(OUTPUT), "--export", f"llama-bench={path}"]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False)
    assert done.returncode in (0, 3), done.stderr
    with open(path, encoding="utf-8") as file:
        return file.read()


def cells(table):
    """{test: [t/s of the baseline, t/s of the other, ratio]} of a table in Markdown."""
    rows = [[cell.strip() for cell in line.strip("| \n").split("|")]
            for line in table.splitlines() if line.startswith("|")]
    at = rows[0].index("Test")
    return {row[at]: [float(x) for x in row[at + 1:]] for row in rows[2:]}


def check_llama_bench(python):
    """Two builds beside each other. They are told apart by build_commit, so that one export gets
    the name of another build; its numbers stay, so that all ratios are known."""
    for ending in ("json", "jsonl"):
        with tempfile.TemporaryDirectory() as directory:
            before, after = (os.path.join(directory, f"{name}.{ending}")
                             for name in ("before", "after"))
            text = export_rows(before)
            rows = (json.loads(text) if ending == "json" else
                    [json.loads(line) for line in text.splitlines()])
            commit = rows[0]["build_commit"]
            other = commit[::-1]  # names of one length, or it cuts the longer ones
            # JSON Lines are read from one file, with both builds in it.
            text = text.replace(commit, other)
            inputs = ["-i", before]
            with open(after if ending == "json" else before, "a", encoding="utf-8") as file:
                file.write(text)
            inputs += ["-i", after] if ending == "json" else []
            words = [python, script_of(python), "--tool", "llama-bench", *inputs,
                     "-b", commit, "-c", other]
            done = subprocess.run(words, cwd=directory, text=True, capture_output=True,
                                  check=False)
        assert done.returncode == 0, done.stderr
        table = cells(done.stdout)
        names = {f"pp{n}" for n in LENGTHS} | {f"tg{OUTPUT - 1}@d{n}" for n in LENGTHS}
        assert set(table) == names, done.stdout
        for row in rows:
            name = (f"pp{row['n_prompt']}" if row["n_prompt"] else
                    f"tg{row['n_gen']}@d{row['n_depth']}")
            seen, again, ratio = table[name]
            # It prints two decimals.
            assert abs(seen - row["avg_ts"]) <= 0.006 and seen == again, (name, table[name])
            assert ratio == 1, table[name]
        print(f"compare-llama-bench.py, {ending}: ok")


def main():
    python = find_python()
    check_aiperf(python)
    check_llama_bench(python)


main()
