#!/usr/bin/env python3
"""Files of at most 600 lines (an error above it); functions of at most 60 (named above it).

The format check guarantees that a function's body begins with "{" and ends with "}" in the
first column, so that its length can be read without parsing C.
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES = 600
FUNCTION_LINES = 60
KINDS = {".c", ".h", ".py", ".sh", ".gp", ".build"}


def functions(lines):
    """(line, length, first line of text) of each function, its braces included."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield start, number - start + 1, lines[start - 2].strip()
            start = None


def main():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, text=True,
                           capture_output=True).stdout.split("\n")
    paths = [ROOT / name for name in names if pathlib.Path(name).suffix in KINDS]
    long_files = long_functions = 0
    lengths = []
    for path in paths:
        if not path.is_file():
            continue
        lines = path.read_text().splitlines()
        name = path.relative_to(ROOT)
        if len(lines) > FILE_LINES:
            long_files += 1
            print(f"{name}:1: {len(lines)} lines, at most {FILE_LINES}: which two things is it?",
                  file=sys.stderr)
        if path.suffix != ".c":
            continue
        for line, length, text in functions(lines):
            lengths.append(length)
            if length > FUNCTION_LINES:
                long_functions += 1
                print(f"{name}:{line}: warning: {length} lines, better {FUNCTION_LINES}: {text}",
                      file=sys.stderr)
    lengths.sort()
    median = lengths[len(lengths) // 2] if lengths else 0
    print(f"lengths: {len(paths)} files, {long_files} too long; {len(lengths)} functions, "
          f"median {median} lines, {long_functions} over {FUNCTION_LINES}")
    return 1 if long_files else 0


if __name__ == "__main__":
    sys.exit(main())
