#!/usr/bin/env python3
"""Takes the README's outputs and its pictures from the program anew.

    python3 tools/update_readme.py [BUILD [WORD]]     WORD: only the commands that hold it

Behind each line <!-- output: COMMAND --> of README.md stands a fenced block; COMMAND is run
and the block becomes what it printed. docs/images/ gets the pictures that --plots draws of a
run. One needs torch
and transformers (IFM_PYTHON). Do this on a quiet machine: what a reader sees first should be a good measurement.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- output: ([^\n]+) -->\n```text\n).*?(```\n)", re.DOTALL)
PICTURES = {"pictures/timeline.png": "timeline.png", "beside/ttft.png": "beside.png"}
MOST_PICTURE_BYTES = 200_000


def run(build, command, directory):
    env = dict(os.environ, PATH=f"{build}:{os.environ['PATH']}", LC_ALL="C.UTF-8", NO_COLOR="1")
    done = subprocess.run(["sh", "-c", command], cwd=directory, env=env, text=True,
                          capture_output=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"update_readme: {command} ended with {done.returncode}: {done.stderr}")
    if done.returncode == 3:
        print(f"update_readme: {command}: this machine was not quiet", file=sys.stderr)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n") + "\n"


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    readme = ROOT / "README.md"
    with tempfile.TemporaryDirectory() as directory:
        def output(match):
            command = match[2]
            if word not in command:
                return match[0]
            if command == "inferometer run":
                command += " --plots pictures"
            return match[1] + run(build, command, directory) + match[3]

        readme.write_text(BLOCK.sub(output, readme.read_text()))
        for drawn, name in PICTURES.items():
            picture = pathlib.Path(directory) / drawn
            if not picture.exists():
                continue
            if picture.stat().st_size > MOST_PICTURE_BYTES:
                sys.exit(f"update_readme: {name} has {picture.stat().st_size} bytes")
            shutil.copy(picture, ROOT / "docs/images" / name)


if __name__ == "__main__":
    main()
