#!/usr/bin/env python3
"""Holds every #include to the arrows between rooms.

The table of rooms in docs/architecture.md is the one source: a room may include itself,
what its row names, and what those may include in turn. Public headers are open to all;
examples see nothing else. Prints file:line for each arrow that points the wrong way.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| `src/(\w+)/` \|.*\| ([^|]*) \|$")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def read_table(path):
    direct = {}
    for line in path.read_text().splitlines():
        row = ROW.match(line)
        if row:
            names = {name.strip() for name in row[2].split(",")}
            direct[row[1]] = names - {"libc", ""}
    return direct


def close(direct):
    """The rooms that each room reaches, itself included."""
    reach = {}

    def visit(room, path):
        if room in path:
            sys.exit(f"check_arrows: the table goes in a circle: {' → '.join(path + [room])}")
        if room not in reach:
            names = set(direct) - {room} if "all" in direct[room] else direct[room]
            unknown = names - set(direct)
            if unknown:
                sys.exit(f"check_arrows: {room} may include {unknown}, which has no row")
            reach[room] = {room}.union(*(visit(name, path + [room]) for name in names))
        return reach[room]

    for room in direct:
        visit(room, [])
    return reach


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found[1]


def generated(directory, name):
    """The build makes this header: the directory's meson.build names it."""
    build = directory / "meson.build"
    return build.is_file() and f"'{name}'" in build.read_text()


def check_file(path, may, complaints):
    """`may` is the set of rooms that the file may include."""
    for number, name in includes(path):
        where = f"{path.relative_to(ROOT)}:{number}"
        room = name.split("/")[0]
        if room == "inferometer":
            home = ROOT / "include"
        elif (ROOT / "src" / room).is_dir() and "/" in name:
            home = ROOT / "src"
        elif may is None and ((path.parent / name).is_file() or (ROOT / name).is_file()):
            continue  # a test's own helper
        elif "/" not in name and generated(path.parent, name):
            continue
        else:
            complaints.append(f'{where}: "{name}" is not written from the root of src/')
            continue
        if not (home / name).is_file():
            complaints.append(f'{where}: "{name}" does not exist')
        elif room != "inferometer" and may is not None and room not in may:
            complaints.append(f'{where}: "{name}": this room may not include {room}/')


def main():
    direct = read_table(ROOT / "docs/architecture.md")
    reach = close(direct)
    complaints = []
    files = 0
    for path in sorted(ROOT.glob("src/*/**/*.[ch]")):
        room = path.relative_to(ROOT / "src").parts[0]
        if room not in reach:
            complaints.append(f"{path.relative_to(ROOT)}:1: src/{room}/ has no row in the table")
            continue
        check_file(path, reach[room], complaints)
        files += 1
    for folder, may in (("include", set()), ("examples", set()), ("tests", None),
                        ("fuzz", None)):
        for path in sorted(ROOT.glob(f"{folder}/**/*.[ch]")):
            check_file(path, may, complaints)
            files += 1
    # bench/ also includes the headers of what it compares with.
    for room in reach:
        if not (ROOT / "src" / room).is_dir():
            complaints.append(f"docs/architecture.md: src/{room}/ is in the table, but not there")
    print("\n".join(complaints), file=sys.stderr, end="\n" if complaints else "")
    if files == 0:
        sys.exit("check_arrows: found no file")
    print(f"arrows: {files} files, {len(reach)} rooms, {len(complaints)} wrong")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
