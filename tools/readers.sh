#!/bin/sh
# Finds or makes a Python that has what reads our exports in other tools, and prints its path:
#     sh tools/readers.sh [DIRECTORY]
# AIPerf's own models (of PyPI's aiperf, with what they import and not the hundred packages
# that the program needs), and llama.cpp's compare-llama-bench.py (in the source package of
# llama-cpp-python), which is put beside that Python. A second run takes no time.
#
# It goes into build/torch where tools/torch.sh has made that, into build/readers elsewhere.
# Prints nothing and says why where nothing of this works.
set -eu
cd "$(dirname "$0")/.."
aiperf=0.13.0
llama_cpp=0.3.36
if [ $# -gt 0 ]; then
    directory=$1
elif [ -x build/torch/bin/python ]; then
    directory=build/torch
else
    directory=build/readers
fi
python=$directory/bin/python
script=$directory/bin/compare-llama-bench.py

none() {
    echo "readers: none here: $1" >&2
    exit 1
}

log=$(mktemp)
part=$directory/readers.part
trap 'rm -rf "$log" "$part"' EXIT

usable() {
    [ -f "$script" ] && "$python" -c "import git, tabulate
from aiperf.common.models.record_models import MetricRecordInfo" >"$log" 2>&1
}

make_venv() {
    [ -x "$python" ] || python3 -m venv "$directory" >"$log" 2>&1 || {
        rm -rf "$directory"
        none "python3 -m venv does not work (Debian: apt-get install python3-venv)"
    }
}

packages() {
    "$python" -m pip install -q --no-deps "aiperf==$aiperf" &&
        "$python" -m pip install -q 'pydantic>=2.10,<3' 'pydantic-settings>=2.10,<3' \
            'cyclopts>=4,<6' orjson msgspec ruamel.yaml pyyaml jinja2 numpy GitPython tabulate
}

# llama.cpp's sources may be here already, from bench/peers.sh.
fetch_script() {
    peers=${IFM_PEERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/inferometer/peers}
    found=$(find "$peers"/src/*/vendor/llama.cpp/scripts -name compare-llama-bench.py \
        2>/dev/null | head -n 1)
    if [ -z "$found" ]; then
        "$python" -m pip download -q --no-deps --no-binary llama-cpp-python -d "$part" \
            "llama-cpp-python==$llama_cpp"
        tar xzf "$part"/llama_cpp_python-*.tar.gz -C "$part" --wildcards \
            '*/vendor/llama.cpp/scripts/compare-llama-bench.py'
        found=$(find "$part" -name compare-llama-bench.py)
    fi
    cp "$found" "$script"
}

if ! usable; then
    make_venv
    echo "readers: aiperf $aiperf and compare-llama-bench.py into $directory" >&2
    { packages && { [ -f "$script" ] || fetch_script; }; } >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        none "pip could not install them"
    }
    usable || {
        tail -n 3 "$log" >&2
        none "what pip installed does not work together"
    }
fi
echo "$(cd "$directory" && pwd)/bin/python"
