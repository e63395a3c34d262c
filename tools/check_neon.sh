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
    echo src/kern/neon.c
    echo src/kern/neon_dotprod.c -march=armv8.2-a+dotprod
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
    exec $2 -c -o "$object" "$3" $4' compile "$out" "$cc $flags" <"$out/files"
"$cc" -static -o "$out/checkkern" "$out"/*.o -lm -lpthread

# Each table in a process of its own. The scalar one is the other side of every comparison,
# and to compare it with itself takes as long as the others do.
for table in neon neon-dotprod; do
    (
        status=0
        "$qemu" "$out/checkkern" "$table" >"$out/$table.log" 2>&1 || status=$?
        echo $status >"$out/$table.status"
    ) &
done
wait
failed=0
for table in neon neon-dotprod; do
    cat "$out/$table.log"
    [ "$(cat "$out/$table.status")" = 0 ] || failed=1
    # A name that checkkern does not know would compare nothing.
    grep -q "^$table: [1-9][0-9]* comparisons" "$out/$table.log" || failed=1
done
exit $failed
