#!/bin/sh
# Builds the kernels for 64-bit Arm and checks them against the scalar ones under QEMU's
# user emulation: only what checkkern needs, so that no other library has to be there for
# that processor. Wants aarch64-linux-gnu-gcc and qemu-aarch64 (Debian: gcc-aarch64-linux-gnu,
# libc6-dev-arm64-cross, qemu-user); exit code 77 (skipped) when one is missing.
set -eu

cd "$(dirname "$0")/.."
cc=${CC_AARCH64:-aarch64-linux-gnu-gcc}
qemu=${QEMU_AARCH64:-qemu-aarch64}
for tool in "$cc" "$qemu"; do
    command -v "$tool" >/dev/null || {
        echo "check_neon: $tool is missing, skipped" >&2
        exit 77
    }
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT INT TERM
flags="-std=gnu11 -O3 -Wall -Wextra -Werror -ffp-contract=off -D_GNU_SOURCE -DNDEBUG -Iinclude -Isrc"
# Peaks are for timing, and there is nothing to time under emulation.
cat >"$out/no_peaks.c" <<'EOF'
#include "probe/probe.h"

size_t ifm_probe_arithmetic(int threads, ifm_probe_peak peaks[IFM_PROBE_MAX_PEAKS])
{
    (void)threads, (void)peaks;
    return 0;
}
EOF

# The files, the slowest first, each with the flags of its own; as many compilers at a time
# as there are processors.
{
    # As src/kern/meson.build has it.
    order=-fno-schedule-insns
    "$cc" $order -Werror -E -x c /dev/null >"$out/flags.log" 2>&1 || order=
    for file in src/kern/neon*.c; do
        case $file in
        *_i8mm*) echo "$file $order -march=armv8.2-a+dotprod+i8mm" ;;
        *_dotprod*) echo "$file $order -march=armv8.2-a+dotprod" ;;
        *) echo "$file" ;;
        esac
    done
    printf '%s\n' "$out/no_peaks.c" tests/checkkern/*.c \
        src/kern/kern.c src/kern/matmul.c src/kern/scalar.c src/kern/scalar_quant.c \
        src/kern/tables_arm.c \
        src/os/cpu.c src/os/cpu_arm.c src/os/pool.c src/os/wait.c src/os/wait_linux.c \
        src/os/clock.c src/base/error.c src/base/random.c src/format/dtype.c \
        src/format/quant*.c
} >"$out/files"
# shellcheck disable=SC2016 # the inner shell expands it
xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 sh -c '
    object=$1/$(echo "$3" | tr / _).o
    exec $2 -c -o "$object" "$3" $4 $5' compile "$out" "$cc $flags" <"$out/files"
"$cc" -static -o "$out/checkkern" "$out"/*.o -lm -lpthread

# Each table on a processor that has no more than the table needs: the instructions of a
# greater one would end the program. A real one runs what it has.
run_on() {
    processor=$1
    shift
    if [ "$qemu" = env ]; then
        "$@"
    else
        "$qemu" -cpu "$processor" "$@"
    fi
}
pairs="neon:cortex-a57 neon-dotprod:neoverse-n1 neon-i8mm:max"
if [ "$qemu" = env ]; then
    best=$("$out/checkkern" --choice)
    pairs="${pairs%%"$best":*}$best:"
fi

# Each in a process of its own. The scalar one is the other side of every comparison, and to
# compare it with itself takes as long as the others do.
for pair in $pairs; do
    (
        status=0
        run_on "${pair#*:}" "$out/checkkern" "${pair%:*}" >"$out/$pair.log" 2>&1 || status=$?
        echo $status >"$out/$pair.status"
    ) &
done
wait
failed=0
for pair in $pairs; do
    table=${pair%:*}
    cat "$out/$pair.log"
    [ "$(cat "$out/$pair.status")" = 0 ] || failed=1
    # A name that checkkern does not know would compare nothing.
    grep -q "^$table: [1-9][0-9]* comparisons" "$out/$pair.log" || failed=1
done

# The best table that a processor can run is taken, and one that it cannot run is refused.
if [ "$qemu" != env ]; then
    for pair in $pairs; do
        chosen=$(unset IFM_KERNELS; run_on "${pair#*:}" "$out/checkkern" --choice || true)
        [ "$chosen" = "${pair%:*}" ] || {
            echo "check_neon: ${pair#*:} computes with \"$chosen\"" >&2
            failed=1
        }
    done
    if IFM_KERNELS=neon-i8mm run_on neoverse-n1 "$out/checkkern" --choice 2>/dev/null; then
        echo "check_neon: neoverse-n1 took kernels that it cannot run" >&2
        failed=1
    fi
fi
exit $failed
