#!/bin/sh
# Finds or makes a Python with torch and transformers that is small, and prints its path:
#     sh tools/torch.sh [DIRECTORY]        (build/torch; a second run takes no time)
#
# $IFM_PYTHON and python3 are asked first. PyPI's torch for Linux on x86-64 brings gigabytes
# of CUDA, so there Debian's python3-torch is taken, as root, with the last transformers that
# its torch 1.13 can run: 4.44. Prints nothing and says why where nothing of this works.
# Tried on Debian 12.
set -eu
cd "$(dirname "$0")/.."
directory=${1:-build/torch}

usable() {
    "$1" -c "import torch, transformers
from transformers import AutoModelForCausalLM, TextIteratorStreamer" >/dev/null 2>&1
}

for python in "${IFM_PYTHON:-}" "$(command -v python3 || true)" "$directory/bin/python"; do
    if [ -n "$python" ] && usable "$python"; then
        case $python in
        */*) echo "$(cd "$(dirname "$python")" && pwd)/$(basename "$python")" ;;
        *) echo "$python" ;;
        esac
        exit 0
    fi
done

none() {
    echo "torch: none here: $1 (IFM_PYTHON names a Python that has torch and transformers)" >&2
    exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

has_torch() { /usr/bin/python3 -c 'import torch, venv, ensurepip' >/dev/null 2>&1; }

if ! has_torch; then
    command -v apt-get >/dev/null 2>&1 || none "no apt-get, for Debian's python3-torch"
    [ "$(id -u)" = 0 ] || none "installing Debian's python3-torch needs root"
    echo "torch: apt-get install python3-torch python3-venv" >&2
    install() {
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
            python3-torch python3-venv </dev/null >"$log" 2>&1
    }
    install || { apt-get update >"$log" 2>&1 && install; } || {
        tail -n 5 "$log" >&2
        none "apt-get could not install python3-torch"
    }
fi

echo "torch: transformers into $directory" >&2
{ /usr/bin/python3 -m venv --system-site-packages "$directory" &&
    "$directory/bin/python" -m pip install -q 'transformers>=4.41,<4.45'; } >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    none "pip could not install transformers"
}
usable "$directory/bin/python" || none "torch and transformers do not work together"
echo "$(cd "$directory" && pwd)/bin/python"
