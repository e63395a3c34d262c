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
# shellcheck disable=SC2086 # several words
"$cc" $flags -march=armv8.2-a+dotprod -c -o "$out/neon_dotprod.o" src/kern/neon_dotprod.c
# Peaks are for timing, and there is nothing to time under emulation.
cat >"$out/no_peaks.c" <<'EOF'
#include "probe/probe.h"

size_t ifm_probe_arithmetic(int threads, ifm_probe_peak peaks[IFM_PROBE_MAX_PEAKS])
{
    (void)threads, (void)peaks;
    return 0;
}
EOF
# shellcheck disable=SC2086
"$cc" $flags -static -o "$out/checkkern" \
    tests/checkkern/*.c "$out/neon_dotprod.o" \
    src/kern/kern.c src/kern/matmul.c src/kern/scalar.c src/kern/scalar_quant.c \
    src/kern/neon.c src/kern/tables_arm.c \
    src/os/cpu.c src/os/cpu_arm.c src/os/pool.c src/os/wait.c src/os/wait_linux.c \
    "$out/no_peaks.c" \
    src/os/clock.c src/base/error.c src/base/random.c src/format/dtype.c \
    src/format/quant*.c \
    -lm -lpthread
"$qemu" "$out/checkkern"
