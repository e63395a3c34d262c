#!/bin/sh
# Configures and builds into a directory, quietly when all is well:
#     sh tools/build.sh BUILD [MESON OPTIONS…]
# A directory that meson could not configure is not left behind.
set -eu
cd "$(dirname "$0")/.."
. tools/kegs.sh
build=$1
shift

log=$(mktemp)
trap 'rm -f "$log"' EXIT

if [ ! -f "$build/build.ninja" ]; then
    new=no
    [ -e "$build" ] || new=yes
    if ! meson setup "$build" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        [ $new = no ] || rm -rf "$build"
        echo "build: meson could not configure (its words are above)" >&2
        exit 1
    fi
fi
# On a terminal ninja shows its progress on one line; elsewhere only failures are shown.
if [ -t 1 ]; then
    meson compile -C "$build"
elif ! meson compile -C "$build" >"$log" 2>&1; then
    cat "$log" >&2
    echo "build: it does not compile (the compiler's words are above)" >&2
    exit 1
fi
