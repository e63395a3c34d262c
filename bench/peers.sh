#!/bin/sh
# Side by side on this machine: Inferometer, llama.cpp and Hugging Face Transformers on the
# same weights, the bars of docs/SPEED.md as ratios of medians.
#
#     sh bench/peers.sh [--out FILE] [--rounds N] [--threads N] [--only cold,ttft,step,prefill]
#                       [--dtypes f32,f16,bf16] [--quick] [--skip-transformers]
#
# Everything it needs that is not this project goes to a cache directory and stays there:
# IFM_PEERS_DIR, else $XDG_CACHE_HOME/inferometer/peers, else ~/.cache/inferometer/peers.
# IFM_PEERS_VENV names a Python environment that has torch and transformers already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cache=${IFM_PEERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/inferometer/peers}
venv=${IFM_PEERS_VENV:-$cache/venv}
mkdir -p "$cache"

say() { printf '%s\n' "peers: $*" >&2; }
die() {
    say "$*"
    exit 1
}

for tool in cc c++ cmake ninja meson python3 tar; do
    command -v "$tool" >/dev/null || die "$tool is missing: run \`sh tools/deps.sh --dev\` and, on Debian, \`apt-get install cmake g++\`"
done

if [ ! -x "$root/build/inferometer" ]; then
    say "building Inferometer"
    meson setup "$root/build" "$root" >"$cache/inferometer.log" 2>&1 ||
        die "meson failed, see $cache/inferometer.log"
fi
ninja -C "$root/build" >>"$cache/inferometer.log" 2>&1 || die "the build failed, see $cache/inferometer.log"

if [ ! -x "$venv/bin/python" ]; then
    say "making a Python environment in $venv"
    python3 -m venv "$venv" || die "python3 -m venv failed (on Debian: apt-get install python3-venv)"
fi
if ! "$venv/bin/python" -c 'import torch, transformers, gguf' 2>/dev/null; then
    say "installing torch, transformers and gguf from PyPI (some gigabytes, once)"
    "$venv/bin/pip" install --quiet torch transformers gguf safetensors sentencepiece >"$cache/pip.log" 2>&1 ||
        die "pip failed, see $cache/pip.log"
fi

# llama.cpp comes inside the source package of llama-cpp-python.
if [ ! -x "$cache/llama/bin/llama-completion" ]; then
    say "building llama.cpp (some minutes, once)"
    mkdir -p "$cache/src"
    (cd "$cache/src" && [ -n "$(ls llama_cpp_python-*.tar.gz 2>/dev/null)" ] ||
        "$venv/bin/pip" download --quiet --no-deps --no-binary :all: llama-cpp-python -d "$cache/src" >"$cache/pip.log" 2>&1) ||
        die "pip download of llama-cpp-python failed, see $cache/pip.log"
    (cd "$cache/src" && tar xzf llama_cpp_python-*.tar.gz)
    cmake -S "$cache"/src/llama_cpp_python-*/vendor/llama.cpp -B "$cache/llama" -G Ninja \
        -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF \
        -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF >"$cache/llama.log" 2>&1 || die "cmake failed, see $cache/llama.log"
    ninja -C "$cache/llama" llama llama-completion >>"$cache/llama.log" 2>&1 ||
        die "the build of llama.cpp failed, see $cache/llama.log"
fi
if [ ! -x "$cache/llama_steps" ] || [ -n "$(find "$here/llama_steps.c" -newer "$cache/llama_steps")" ]; then
    llama=$(echo "$cache"/src/llama_cpp_python-*/vendor/llama.cpp)
    # The archives stand in the order in which they need each other.
    cc -O2 -I"$llama/include" -I"$llama/ggml/include" "$here/llama_steps.c" -o "$cache/llama_steps" \
        "$(find "$cache/llama" -name libllama.a)" "$(find "$cache/llama" -name libggml.a)" \
        "$(find "$cache/llama" -name libggml-cpu.a)" "$(find "$cache/llama" -name libggml-base.a)" \
        -lstdc++ -fopenmp -lpthread -lm || die "cannot link llama_steps"
fi

exec "$venv/bin/python" "$here/peers.py" --cache "$cache" --root "$root" "$@"
