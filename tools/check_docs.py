#!/usr/bin/env python3
"""Documents must not lie.

    check_docs.py links          every relative link leads to a file, every anchor to a heading
    check_docs.py run BUILD      runs the commands that the documents show

Of a document's fenced blocks marked "sh" every line is run, in a scratch directory that holds
links to build and models, with BUILD/inferometer in the PATH; of those marked "console" the lines behind
"$ ". A block that cannot be run here (it installs, it needs a model of the reader's) stands
behind a line <!-- not run: REASON -->. A command must end with 0, or with 3 (measured, but
the machine was too busy to trust it).
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*src=\"([^\"]+)\"")
FENCE = re.compile(r"^```(\w*)")
NOT_RUN = re.compile(r"^<!-- not run: .+ -->$")
COMMAND_SECONDS = 300


def documents():
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
                           cwd=ROOT, check=True, text=True, capture_output=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def blocks(path):
    """(first line's number, kind, lines, whether it is run) of each fenced block."""
    kind, start, body, run, before = None, 0, [], True, ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if fence and kind is None:
            kind, start, body, run = fence[1], number + 1, [], not NOT_RUN.match(before)
        elif fence:
            yield start, kind, body, run
            kind = None
        elif kind is not None:
            body.append(line)
        elif line.strip():
            before = line.strip()


def prose(path):
    """(number, line) of what is not in a fenced block."""
    inside = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line


def anchors(path):
    """The anchors that a forge makes of a document's headings."""
    found = set()
    for _, line in prose(path):
        if line.startswith("#"):
            text = line.lstrip("#").strip().lower().replace("`", "")
            found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return found


def check_links():
    complaints, count = [], 0
    for path in documents():
        for number, line in prose(path):
            for groups in LINK.findall(line):
                target = next(group for group in groups if group)
                if re.match(r"\w+:", target):
                    continue
                count += 1
                name, _, anchor = target.partition("#")
                file = (path.parent / name).resolve() if name else path
                where = f"{path.relative_to(ROOT)}:{number}"
                if not file.exists():
                    complaints.append(f"{where}: {target} does not exist")
                elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                    complaints.append(f"{where}: {target}: no such heading")
    print(f"links: {count} in {len(documents())} documents, {len(complaints)} lead nowhere")
    return complaints


def commands(path):
    """(line number, command) of what the document shows and this check runs; a line that
    ends in a backslash goes on in the next."""
    for start, kind, body, run in blocks(path):
        if kind not in ("sh", "console") or not run:
            continue
        whole, first = "", start
        for number, line in enumerate(body, start):
            if not whole:
                first = number
                if kind == "console" and not line.startswith("$ "):
                    continue
                line = line[2:] if kind == "console" else line
            whole += line.removesuffix("\\")
            if line.endswith("\\"):
                continue
            command = re.sub(r"\s+#.*$", "", whole).strip()
            whole = ""
            if command and not command.startswith("#"):
                yield first, command


def check_commands(build):
    complaints, count = [], 0
    env = dict(os.environ, PATH=f"{build}:{os.environ['PATH']}", NO_COLOR="1")
    with tempfile.TemporaryDirectory() as scratch:
        for name, target in (("build", build), ("models", ROOT / "models")):
            os.symlink(target, os.path.join(scratch, name))
        for path in documents():
            for number, command in commands(path):
                count += 1
                try:
                    done = subprocess.run(["sh", "-c", command], cwd=scratch, env=env, text=True,
                                          capture_output=True, timeout=COMMAND_SECONDS,
                                          stdin=subprocess.DEVNULL, check=False)
                    status, words = done.returncode, done.stderr.strip()[-500:]
                except subprocess.TimeoutExpired:
                    status, words = "a timeout", ""
                if status not in (0, 3):
                    complaints.append(f"{path.relative_to(ROOT)}:{number}: {command}\n"
                                      f"    ended with {status}: {words}")
    if count == 0:
        complaints.append("no command was found in the documents")
    print(f"commands: {count} run, {len(complaints)} failed")
    return complaints


def main(words):
    if words == ["links"]:
        complaints = check_links()
    elif len(words) == 2 and words[0] == "run":
        complaints = check_commands(pathlib.Path(words[1]).resolve())
    else:
        sys.exit(__doc__)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
