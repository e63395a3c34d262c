#!/usr/bin/env python3
"""Golden tests of the command line.

A case is a file tests/cli/cases/NAME.txt:

    # why it exists
    $ inferometer hepl
    exit 2
    stderr:
    inferometer: unknown command "hepl": did you mean "help"?

A "$" line is run by sh in an empty directory of its own. Then come the exit code (0 if there
is no such line) and what must stand on stdout and stderr: exactly, when the heading is
"stdout:"; somewhere in it, line by line and in this order, when it is "stdout has:". Without a
heading that stream must be empty, or "any" if the heading is "stdout: any". Several commands
may follow each other; they share the directory.

What changes from run to run is masked before comparing: numbers with a decimal point become
"#.#", the directory becomes DIR, paths of the build and source trees BUILD and SOURCE.

    tests/cli/run.py [--update] [NAME…]      --update writes what was seen into exact cases

IFM_CLI_SKIP names cases that cannot work where this is called from, separated by spaces.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(SOURCE, "build"))
CASES = os.path.join(HERE, "cases")
TIME_LIMIT_S = 300
AT_ONCE = 3  # cases; half of their time they wait
HEADING = re.compile(r"^(stdout|stderr)( has)?:( any)?$")


class Command:
    def __init__(self, line):
        self.line = line
        self.code = 0
        self.blocks = {}  # stream -> (kind, lines)


def parse(path):
    commands, block = [], None
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file.read().split("\n"):
            heading = HEADING.match(line)
            if line.startswith("$ "):
                commands.append(Command(line[2:]))
                block = None
            elif heading and commands:
                kind = "any" if heading[3] else "has" if heading[2] else "is"
                block = []
                commands[-1].blocks[heading[1]] = (kind, block)
            elif line.startswith("exit ") and block is None and commands:
                commands[-1].code = int(line[5:])
            elif line.startswith("# "):
                block = None  # a comment ends what stood before it
            elif block is not None:
                block.append(line)
            elif line:
                raise SystemExit(f"{path}: cannot read the line: {line}")
    for command in commands:
        for _, lines in command.blocks.values():
            while lines and lines[-1] == "":
                lines.pop()
    return commands


def mask(text, directory):
    text = text.replace(directory, "DIR").replace(BUILD, "BUILD").replace(SOURCE, "SOURCE")
    return re.sub(r"\d+\.\d+", "#.#", text)


def has(lines, expected):
    """Each expected text is part of a line, in this order; a line may hold several."""
    at = column = 0
    for want in expected:
        while at < len(lines) and lines[at].find(want, column) < 0:
            at += 1
            column = 0
        if at == len(lines):
            return want
        column = lines[at].find(want, column) + len(want)
    return None


def check_stream(command, stream, text):
    kind, expected = command.blocks.get(stream, ("is", []))
    lines = text.split("\n")
    while lines and lines[-1] == "":
        lines.pop()
    if kind == "any":
        return None
    if kind == "has":
        missing = has(lines, expected)
        return None if missing is None else f"{stream} lacks: {missing}\n{text}"
    if lines == expected:
        return None
    return f"{stream} is:\n{text}expected:\n" + "\n".join(expected)


def run_case(path):
    """Returns (commands, what was seen of each, problems)."""
    commands = parse(path)
    seen, problems = [], []
    env = dict(os.environ)
    env.update(
        PATH=BUILD + ":" + env.get("PATH", ""),
        LC_ALL="C.UTF-8",
        SOURCE=SOURCE,
        BUILD=BUILD,
        IFM_MODELS=os.path.join(SOURCE, "models"),
        TERM="dumb",
        PYTHON=sys.executable,
    )
    for name in ("IFM_WORKER", "IFM_KERNELS", "IFM_FAKE_MODE"):
        env.pop(name, None)
    with tempfile.TemporaryDirectory() as directory:
        env["IFM_CACHE_DIR"] = os.path.join(directory, ".cache")
        # Names on a hub must not find what this machine has, nor ask anybody.
        for name in [name for name in env if name.startswith("HF_")]:
            del env[name]
        env["HF_HOME"] = os.path.join(directory, ".hub")
        env["HF_ENDPOINT"] = "http://127.0.0.1:9"
        env["DIR"] = directory
        # By a name of its own, so that a case can look for the processes that it left.
        env["FAKE"] = os.path.join(directory, ".fake_worker")
        os.symlink(os.path.join(BUILD, "tests/unit/fake_worker"), env["FAKE"])
        for command in commands:
            done = subprocess.run(
                ["/bin/sh", "-c", command.line], cwd=directory, env=env, timeout=TIME_LIMIT_S,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            streams = {name: mask(data.decode("utf-8", "replace"), directory)
                       for name, data in (("stdout", done.stdout), ("stderr", done.stderr))}
            seen.append((done.returncode, streams))
            if done.returncode != command.code:
                problems.append(f"$ {command.line}\nexit {done.returncode}, "
                                f"expected {command.code}\n{streams['stderr']}")
            for stream, text in streams.items():
                problem = check_stream(command, stream, text)
                if problem:
                    problems.append(f"$ {command.line}\n{problem}")
        left = sorted(name for name in os.listdir(directory) if name.endswith(".part"))
        if left:
            problems.append(f"temporary files were left: {left}")
    return commands, seen, problems


def update(path, commands, seen):
    """Writes the exact blocks anew; comments and the other blocks stay."""
    with open(path, encoding="utf-8") as file:
        out = [line for line in file.read().split("\n") if line.startswith("# ")]
    for command, (code, streams) in zip(commands, seen):
        out.append("$ " + command.line)
        if code:
            out.append(f"exit {code}")
        for stream in ("stdout", "stderr"):
            kind, lines = command.blocks.get(stream, ("is", []))
            if kind == "is":
                lines = streams[stream].split("\n")
                while lines and lines[-1] == "":
                    lines.pop()
            if kind == "any":
                out.append(f"{stream}: any")
            elif lines:
                out.append(f"{stream}{' has' if kind == 'has' else ''}:")
                out.extend(lines)
        out.append("")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out))


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    files = sorted(f for f in os.listdir(CASES) if f.endswith(".txt"))
    paths = {file[:-4]: os.path.join(CASES, file) for file in files}
    if names:
        paths = {name: path for name, path in paths.items() if name in names}
    for name in os.environ.get("IFM_CLI_SKIP", "").split():
        if paths.pop(name, None):
            print(f"skipped {name}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for (name, path), (commands, seen, problems) in zip(
                paths.items(), pool.map(run_case, paths.values())):
            if "--update" in sys.argv:
                update(path, commands, seen)
            elif problems:
                failed += 1
                print(f"FAILED {name}\n" + "\n".join(problems) + "\n")
            else:
                print(f"ok     {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
