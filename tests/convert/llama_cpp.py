#!/usr/bin/env python3
"""llama.cpp loads what `inferometer model quantize` writes, and goes on as we do.

    tests/convert/llama_cpp.py PATH/TO/inferometer

The bundled model, which counts, in each type; the files are made anew. llama-completion is
looked for in IFM_PEERS_DIR (or its default, as bench/peers.sh has it), then in the PATH; without
it the test is skipped (exit 77). Greedy, 12 tokens; q2_K and q3_K lose what this small model
knows, so that loading is all that is asked of them.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROMPT = "one two three"
EXPECTED = "four five six seven"
TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_K", "q3_K",
         "q4_K", "q5_K", "q6_K", "q3_K_M", "q4_K_M", "q5_K_M"]
MAY_FORGET = {"q2_K", "q3_K", "q3_K_M"}
SKIPPED = 77


def find_llama():
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    peers = os.environ.get("IFM_PEERS_DIR", os.path.join(cache, "inferometer", "peers"))
    built = os.path.join(peers, "llama", "bin", "llama-completion")
    return built if os.access(built, os.X_OK) else shutil.which("llama-completion")


def check(program, llama, name, directory):
    path = directory / f"{name}.gguf"
    subprocess.run([program, "model", "quantize", "--quiet", "counting", path, "--type", name],
                   check=True, stderr=subprocess.DEVNULL)
    ran = subprocess.run(
        [llama, "-m", path, "-p", PROMPT, "-n", "12", "-t", "1", "--temp", "0",
         "--no-conversation"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=300, check=False)
    path.unlink()
    if ran.returncode != 0:
        return f"llama.cpp does not load it:\n{ran.stderr[-2000:]}"
    if name not in MAY_FORGET and EXPECTED not in ran.stdout:
        return f"it goes on with {ran.stdout!r}"
    return None


def main():
    llama = find_llama()
    if llama is None:
        print("skipped: no llama-completion (bench/peers.sh builds one)")
        sys.exit(SKIPPED)
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        for name in TYPES:
            complaint = check(sys.argv[1], llama, name, pathlib.Path(directory))
            print(f"{'ok' if complaint is None else 'FAILED'}  {name}  {complaint or ''}",
                  flush=True)
            failed += complaint is not None
    sys.exit(1 if failed else 0)


main()
