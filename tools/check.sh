#!/bin/sh
# The checks of .ci/run, each runnable on its own:
#     sh tools/check.sh --list        what there is
#     sh tools/check.sh format        one, or several
#     sh tools/check.sh all
# "sh tools/deps.sh --dev" installs what they need.
set -eu
cd "$(dirname "$0")/.."

# Tests wait more than they compute (tools/test.sh).
MESON_TESTTHREADS=${MESON_TESTTHREADS:-$((3 * $(getconf _NPROCESSORS_ONLN)))}
export MESON_TESTTHREADS

# name and what it holds; check_NAME below does it.
checks() {
    cat <<'TABLE'
format     every C file is as clang-format 14 writes it
arrows     every #include follows the table in docs/architecture.md
lengths    files of at most 600 lines; long functions are named
shell      shellcheck finds nothing in our scripts
docs       links in the documents lead somewhere, the commands in them work
symbols    libinferometer exports what its headers declare, and nothing else
kernels    what computes passes its tests with the kernels of lesser processors
neon       the kernels for 64-bit Arm agree with the scalar ones, under emulation
install    an installed program finds its worker and its model
smollm2    a real model is fetched, measured, and held to what llama.cpp says
gcc        gcc: no warning; the tests pass with assertions on
clang      clang: no warning; the tests pass
address    AddressSanitizer and UndefinedBehaviorSanitizer find nothing in the tests
threads    ThreadSanitizer finds nothing in the tests
fuzz       each fuzz target survives some seconds of new inputs
TABLE
}

# Another version of clang-format breaks lines elsewhere, so it must be this one.
clang_format() {
    for name in clang-format-14 clang-format; do
        if command -v $name >/dev/null && $name --version | grep -q 'version 14\.'; then
            echo $name
            return 0
        fi
    done
    echo "check: clang-format 14 is not here (Debian: clang-format-14;" \
        "elsewhere: pip install clang-format==14.0.6)" >&2
    return 1
}

check_format() {
    tool=$(clang_format)
    git ls-files '*.c' '*.h' | xargs "$tool" --dry-run -Werror
}

check_arrows() {
    python3 tools/check_arrows.py
}

check_lengths() {
    python3 tools/check_lengths.py
}

check_shell() {
    # The first lines tell what is a shell script; its name does not always.
    git grep -lE '^#!.*\b(sh|bash)$' -- ':!*.md' | xargs shellcheck
}

check_docs() {
    python3 tools/check_docs.py links
    release
    python3 tools/check_docs.py run build
}

check_symbols() {
    release
    library=build/libinferometer.so
    [ -e $library ] || library=build/libinferometer.dylib
    sh tools/check_symbols.sh $library
}

# What this processor would choose by itself, the other tests have used.
check_kernels() {
    release
    lesser_processors
    for kernels in scalar $(kernels_here); do
        IFM_KERNELS=$kernels meson test -C build --no-rebuild --print-errorlogs --quiet \
            --suite kernels
        sh tools/count_tests.sh build
        seen=$(IFM_KERNELS=$kernels build/inferometer run --cold 1 --warm 1 --json - |
            sed -n 's/^ *"kernels": "\(.*\)".*/\1/p' | sort -u)
        if [ "$seen" != "$kernels" ]; then
            echo "kernels: IFM_KERNELS=$kernels measured with \"$seen\"" >&2
            return 1
        fi
    done
}

# On a processor that lacks the better ones nothing of them may run, not even what fills
# their tables: an emulated one ends at the first instruction that it does not have.
lesser_processors() {
    [ "$(uname -m)" = x86_64 ] || return 0
    for processor in Nehalem Haswell; do
        qemu-x86_64 -cpu $processor build/examples/first_token models/counting >/dev/null ||
            { echo "kernels: $processor cannot run them" >&2; return 1; }
    done
}

# The lesser one of two that can stand in for many: what most laptops have.
kernels_here() {
    if grep -qw avx2 /proc/cpuinfo 2>/dev/null; then
        echo avx2
    fi
}

# A skipped check would look like a passed one.
check_neon() {
    if [ "$(uname -m)" = aarch64 ]; then
        export CC_AARCH64=cc QEMU_AARCH64=env # at home, nothing needs emulating
    fi
    sh tools/check_neon.sh
}

# Nothing of the source or build tree may be needed, so it runs from a place without them.
check_install() {
    release
    root=$(mktemp -d)
    DESTDIR=$root meson install -C build --no-rebuild --quiet
    prefix=$root$(meson introspect build --buildoptions |
        python3 -c 'import json, sys
print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
    status=0
    (cd "$root" && env -u IFM_MODELS -u IFM_WORKER "$prefix/bin/inferometer" run \
        --cold 1 --warm 1 --json "$root/result.json" --quiet) || status=$?
    if [ $status != 0 ] && [ $status != 3 ]; then
        echo "install: the installed program ended with $status" >&2
    elif grep -qF "$PWD" "$root/result.json"; then
        echo "install: the installed program used the source tree" >&2
        status=1
    else
        status=0
    fi
    rm -rf "$root"
    return $status
}

# Where pip reaches no packages there is no such model, which is said and no fault of ours.
check_smollm2() {
    release
    HF_HUB_CACHE=$(mktemp -d)
    export HF_HUB_CACHE
    status=0
    if build/inferometer model pull smollm2; then
        build/inferometer run -m smollm2 --cold 3 --warm 6 || status=$?
        if [ $status = 0 ] || [ $status = 3 ]; then
            status=0
            python3 tests/reference/check_smollm2.py build/inferometer \
                "$HF_HUB_CACHE"/models--*smollm2/snapshots/*/*.gguf || status=$?
        fi
    else
        echo "smollm2: it cannot be fetched here: skipped" >&2
    fi
    rm -rf "$HF_HUB_CACHE"
    return $status
}

# The build that newcomers have.
release() {
    sh tools/build.sh build
}

# Builds a flavour in build-NAME and runs its tests: flavour NAME [MESON OPTIONS…]
# Without those of mpi, which wait for most of a minute: the release build has run them.
flavour() {
    name=$1
    shift
    sh tools/build.sh "build-$name" -Dwerror=true "$@"
    # shellcheck disable=SC2086 # words, or nothing
    ${run_under:-} meson test -C "build-$name" --no-rebuild --print-errorlogs --quiet \
        --no-suite mpi ${leave_out:-} \
        --timeout-multiplier 20 # sanitizers are slow, and a slow test is not a wrong one
    sh tools/count_tests.sh "build-$name"
}

check_gcc() {
    # The release build has compiled the kernels as they are used.
    CC=$(cached gcc) flavour gcc -Dbuildtype=debugoptimized -Db_ndebug=false \
        -Dkernel_optimization=g
}

check_clang() {
    CC=$(cached clang) flavour clang
}

check_address() {
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    CC=$(cached clang) flavour address -Dbuildtype=debugoptimized -Db_ndebug=false \
        -Db_sanitize=address,undefined -Db_lundef=false \
        -Dc_args=-fno-sanitize-recover=all
}

check_threads() {
    # It holds a signal back while open() waits for a pipe's reader.
    export IFM_CLI_SKIP=run_interrupt_twice
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    # Its shadow memory lies at fixed places, where a kernel that randomizes addresses with
    # more than 28 bits may put something else.
    if setarch -R true 2>/dev/null; then
        run_under="setarch -R"
    fi
    leave_out="--no-suite one_thread" # where no two threads can meet
    CC=$(cached clang) flavour threads -Dbuildtype=debugoptimized -Db_ndebug=false \
        -Db_sanitize=thread -Db_lundef=false
}

check_fuzz() {
    CC=$(cached clang) sh tools/fuzz.sh 5
}

# ccache makes a second run quick where it is there; nothing needs it.
cached() {
    if command -v ccache >/dev/null; then
        echo "ccache $1"
    else
        echo "$1"
    fi
}

names() {
    checks | cut -d' ' -f1
}

if [ $# = 0 ]; then
    set -- --list
fi
if [ "$1" = --list ]; then
    checks
    exit 0
fi
if [ "$1" = all ]; then
    # shellcheck disable=SC2046 # a list of words
    set -- $(names)
fi
for name in "$@"; do
    if ! names | grep -qx -- "$name"; then
        echo "check: there is no check \"$name\"; there are:" >&2
        checks >&2
        exit 2
    fi
done
failed=
for name in "$@"; do
    # Not in a condition: there "set -e" would be off inside of the check.
    set +e
    (
        set -e
        "check_$name"
    )
    status=$?
    set -e
    [ $status = 0 ] || failed="$failed $name"
done
if [ -n "$failed" ]; then
    echo "check: failed:$failed" >&2
    exit 1
fi
