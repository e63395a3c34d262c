#!/bin/sh
# Makes the references that llama.cpp is the judge of, with the llama.cpp that
# bench/peers.sh has built: sh tests/reference/make_llama.sh [quant|gguf|smollm2 …]
#     IFM_PEERS_DIR, IFM_PEERS_VENV    as in bench/peers.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${IFM_PEERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/inferometer/peers}
llama=$(find "$cache/src" -path '*/vendor/llama.cpp/CMakeLists.txt' 2>/dev/null | head -n 1)
[ -n "$llama" ] || {
    echo "make_llama: no llama.cpp in $cache: run bench/peers.sh once" >&2
    exit 1
}
llama=$(dirname "$llama")

archive() { find "$cache/llama" -name "$1"; }

compile() { # compile NAME: NAME.c, linked with all of llama.cpp, as $cache/NAME
    cc -O2 -I"$llama/include" -I"$llama/ggml/include" "$here/$1.c" -o "$cache/$1" \
        "$(archive libllama.a)" "$(archive libggml.a)" "$(archive libggml-cpu.a)" \
        "$(archive libggml-base.a)" -lstdc++ -fopenmp -lpthread -lm
}

quant() {
    compile make_quant
    mkdir -p "$here/quant"
    "$cache/make_quant" "$here/quant"
}

calculate() {
    compile llama_logits
    "${IFM_PEERS_VENV:-$cache/venv}/bin/python" "$here/make_llama.py" "$cache/llama_logits" \
        "$cache/quantize_llama" "$@"
}

gguf() { calculate gguf; }

smollm2() { calculate smollm2 "$cache/smollm2.gguf"; }

[ $# -gt 0 ] || set -- quant gguf smollm2
for part in "$@"; do
    "$part"
done
