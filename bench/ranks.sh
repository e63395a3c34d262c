#!/bin/sh
# What it costs to make one load of many processes, on this machine: for 1, 2, 4, 8 and 16
# ranks, with nothing measured and with requests of 128 tokens each, the median of some rounds.
# The table of docs/SPEED.md. Takes half a minute; needs mpirun and a build with MPI.
#
#     sh bench/ranks.sh [--rounds N] [--requests N] [--ranks "2 4 8"]
#
# More ranks than cores take turns on them: merging is then as quick as it would be with cores
# for all, since rank 0 takes in one rank after the other, but clocks agree less well.
#     IFM_BUILD   the build directory: build
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${IFM_BUILD:-$(dirname "$here")/build}
rounds=5
requests=2000
ranks="1 2 4 8 16"

while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2 ;;
    --requests) requests=$2 ;;
    --ranks) ranks=$2 ;;
    *)
        sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2
        exit 2
        ;;
    esac
    shift 2
done

if ! command -v mpirun >/dev/null || [ ! -f "$build/ifm-mpi.so" ]; then
    echo "ranks: needs mpirun, and $build built with MPI (sh tools/deps.sh --dev)" >&2
    exit 1
fi
export IFM_MPI="$build/ifm-mpi.so"
# This machine alone, more processes than cores, as root too; others than Open MPI do not look.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo

# The median of a named number in the lines on standard input.
median() {
    awk -v name="$1" '{ for (i = 1; i < NF; i++) if ($i == name) print $(i + 1) }' |
        sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

echo "| ranks | requests each | at rank 0, MB | merge, ms | of it per MB, ms | to the start, ms | clocks agree within, µs | rank 0's memory, MB |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
for n in $ranks; do
    empty=
    for each in 0 "$requests"; do
        : >"$lines"
        i=0
        while [ $i -lt "$rounds" ]; do
            mpirun -n "$n" "$build/bench/ranks" "$each" >>"$lines"
            i=$((i + 1))
        done
        merge=$(median merge_ms <"$lines")
        empty=${empty:-$merge}
        awk -v n="$n" -v each="$each" -v own="$requests" -v merge="$merge" -v empty="$empty" \
            -v bytes="$(median bytes <"$lines")" -v start="$(median start_ms <"$lines")" \
            -v off="$(median uncertainty_us <"$lines")" -v kib="$(median peak_kib <"$lines")" '
            BEGIN {
                came = bytes * (n - 1) / n / 1e6 # from the others
                per = came > 0 ? sprintf("%.2f", (merge - empty) / came) : "–"
                printf "| %d | %d | %.1f | %.1f | %s | %.0f | %.1f | %.1f |\n", n, each,
                    bytes / 1e6, merge, per, start, off, kib * 1024 / 1e6
            }'
    done
done
