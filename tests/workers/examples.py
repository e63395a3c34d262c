#!/usr/bin/env python3
"""The workers in examples/, through the program: whole results, cold and warm.

The one for llama-cpp-python needs a Python that has that package: $IFM_LLAMA_PYTHON,
$IFM_PYTHON, or this one. Without it that part is skipped, and says so.
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
MODEL = os.path.join(SOURCE, "models", "counting")
LINES_AT_MOST = 40  # of the first example: it is to be read in a minute
N = 8


def measure(python, example, *options):
    command = f"'{python}' '{os.path.join(SOURCE, 'examples', example)}'"
    out = subprocess.run(
        [PROGRAM, "run", "--target", "worker:" + command, "--cold", "2", "--warm", "3",
         "-n", str(N), "--json", "-", *options],
        text=True, capture_output=True, timeout=300, check=False)
    assert out.returncode in (0, 3), out.stderr
    document = json.loads(out.stdout)
    requests = document["requests"]
    assert [r["start"] for r in requests].count("cold") == 2
    assert [r["start"] for r in requests].count("warm") >= 3
    for r in requests:
        assert r["ok"] and len(r["token_ns"]) == len(r["output_ids"]) == N
        assert r["token_ns"] == sorted(r["token_ns"])
        assert sum(r["phases_ns"].values()) == r["ttft_ns"]
        assert (r["phases_ns"]["spawn"] > 0) == (r["start"] == "cold")
    return requests


def echo():
    path = os.path.join(SOURCE, "examples", "echo_worker.py")
    with open(path, encoding="utf-8") as file:
        assert len(file.readlines()) <= LINES_AT_MOST
    requests = measure(sys.executable, "echo_worker.py", "-p", "one two three")
    for r in requests:
        assert r["input_ids"] == [0, 1, 2]
        assert r["output_ids"] == [i % 3 for i in range(N)]
        assert r["text"] == " one two three" * 2 + " one two"


def find_llama():
    for python in (os.environ.get("IFM_LLAMA_PYTHON"), os.environ.get("IFM_PYTHON"),
                   sys.executable):
        if python and subprocess.run([python, "-c", "import llama_cpp"], capture_output=True,
                                     check=False).returncode == 0:
            return python
    return None


def llama_cpp(python):
    """The same tokens as our engine on the same file."""
    with tempfile.TemporaryDirectory() as directory:
        gguf = os.path.join(directory, "counting.gguf")
        subprocess.run([PROGRAM, "model", "quantize", MODEL, gguf, "--type", "f32"],
                       check=True, capture_output=True)
        ours = subprocess.run(
            [PROGRAM, "run", "-m", gguf, "--cold", "0", "--warm", "1", "-n", str(N), "--json",
             "-"], text=True, capture_output=True, check=False)
        expected = json.loads(ours.stdout)["requests"][-1]
        for r in measure(python, "llama_cpp_worker.py", "-m", gguf):
            for name in ("input_ids", "output_ids", "text"):
                assert r[name] == expected[name], (name, r[name], expected[name])
            assert (r["phases_ns"]["load"] > 0) == (r["start"] == "cold")


def main():
    which = sys.argv[1]
    if which == "echo":
        echo()
    else:
        python = find_llama()
        if python is None:
            print("skipped: no Python here has llama_cpp (python3 -m pip install "
                  "llama-cpp-python; IFM_LLAMA_PYTHON names another Python)")
            return SKIPPED
        llama_cpp(python)
    print(f"ok: {which}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
