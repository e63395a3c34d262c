#!/bin/sh
# Drives the fuzz targets with new inputs, each for some seconds (libFuzzer, so clang), as
# many at a time as there are processors:
#     sh tools/fuzz.sh [SECONDS] [TARGET…]
# What is found lies in build-fuzz/; put it into fuzz/corpus/TARGET/ once it is repaired, so
# that the tests replay it.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-30}
[ $# = 0 ] || shift
CC=${CC:-clang} sh tools/build.sh build-fuzz -Dfuzz=true -Dbuildtype=debugoptimized \
    -Db_ndebug=false -Db_sanitize=address,undefined -Db_lundef=false \
    -Dc_args=-fno-sanitize-recover=all

if [ $# = 0 ]; then
    for program in build-fuzz/fuzz/fuzz_*; do
        [ ! -x "$program" ] || [ -d "$program" ] || set -- "$@" "${program##*/fuzz_}"
    done
fi
if [ $# = 0 ]; then
    echo "fuzz: no targets were built" >&2
    exit 1
fi

# Drives one target, and leaves "passed" or "failed" in a file beside its log.
drive() {
    name=$1
    log=build-fuzz/fuzz_$name.log
    mkdir -p "build-fuzz/found/$name"
    # New inputs go to the first directory; the second is only read.
    if "build-fuzz/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="build-fuzz/$name-" -print_final_stats=1 \
        "build-fuzz/found/$name" "fuzz/corpus/$name" >"$log" 2>&1; then
        echo passed >"build-fuzz/fuzz_$name.end"
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "fuzz: $name: $runs inputs in $seconds s"
    else
        echo failed >"build-fuzz/fuzz_$name.end"
        tail -n 60 "$log" >&2
        echo "fuzz: $name failed: the input is build-fuzz/$name-…" >&2
    fi
}

rm -f build-fuzz/fuzz_*.end
workers=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
worker=0
while [ $worker -lt "$workers" ]; do
    (
        i=0
        for name in "$@"; do
            [ $((i % workers)) != $worker ] || drive "$name"
            i=$((i + 1))
        done
    ) &
    worker=$((worker + 1))
done
wait
passed=0
for name in "$@"; do
    [ "$(cat "build-fuzz/fuzz_$name.end" 2>/dev/null)" != passed ] || passed=$((passed + 1))
done
echo "$passed passed, $(($# - passed)) failed"
[ $passed = $# ]
