#!/bin/sh
# Installs what building, testing and drawing need, and only what is missing.
#
#     sh tools/deps.sh          for building, testing, and drawing pictures
#     sh tools/deps.sh --dev    also what the checks of .ci/run use
#     sh tools/deps.sh --list   only says what is missing
#
# It looks first and asks the package manager second, so that a second run takes no time.
# Tried on Debian 12. The package names for dnf, apk and brew were looked up, not tried.
set -eu

usage() {
    echo "usage: sh tools/deps.sh [--dev] [--list]" >&2
    exit 2
}

dev=no
list=no
for word in "$@"; do
    case $word in
    --dev) dev=yes ;;
    --list) list=yes ;;
    *) usage ;;
    esac
done

# What | how to see that it is there | apt | dnf | apk | brew; "-": not needed or not there.
# dnf takes pkg-config names, which are the same in every release.
needs() {
    cat <<'TABLE'
cc         tool:cc,gcc,clang  gcc,libc6-dev      gcc                   build-base,linux-headers gcc
pkg-config tool:pkg-config,pkgconf pkg-config    pkgconf-pkg-config    pkgconf         pkgconf
ninja      tool:ninja,samu    ninja-build        ninja-build           samurai         ninja
meson      tool:meson         meson              meson                 meson           meson
jansson    lib:jansson        libjansson-dev     pkgconfig(jansson)    jansson-dev     jansson
pcre2      lib:libpcre2-8     libpcre2-dev       pkgconfig(libpcre2-8) pcre2-dev       pcre2
utf8proc   lib:libutf8proc    libutf8proc-dev    pkgconfig(libutf8proc) utf8proc-dev    utf8proc
libcurl    lib:libcurl        libcurl4-openssl-dev pkgconfig(libcurl)  curl-dev        curl
libcrypto  lib:libcrypto      libssl-dev         pkgconfig(libcrypto)  openssl-dev     openssl@3
cmocka     lib:cmocka         libcmocka-dev      pkgconfig(cmocka)     cmocka-dev      cmocka
gnuplot    tool:gnuplot       gnuplot-nox        gnuplot               gnuplot,font-dejavu gnuplot
TABLE
    [ $dev = no ] || cat <<'TABLE'
git        tool:git           git                git                   git             git
python3    tool:python3       python3            python3               python3         python3
jsonschema python:jsonschema  python3-jsonschema python3-jsonschema    py3-jsonschema  -
clang      tool:clang         clang              clang                 clang           llvm
clang-rt   clang-rt           libclang-rt-dev    compiler-rt           compiler-rt     -
format     tool:clang-format-14,clang-format clang-format-14 clang-tools-extra clang-extra-tools clang-format
shellcheck tool:shellcheck    shellcheck         ShellCheck            shellcheck      shellcheck
gcovr      tool:gcovr         gcovr              gcovr                 gcovr           gcovr
mpi        tool:mpicc         libopenmpi-dev,openmpi-bin -            -               open-mpi
arm64-cc   arm64-cc           gcc-aarch64-linux-gnu,libc6-dev-arm64-cross - -          -
arm64-run  arm64-run          qemu-user          -                     -               -
TABLE
}

have_tool() { # a,b,c: one of them suffices
    for name in $(echo "$1" | tr , ' '); do
        if command -v "$name" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

have_lib() {
    if command -v pkg-config >/dev/null 2>&1; then
        pkg-config --exists "$1"
    elif command -v pkgconf >/dev/null 2>&1; then
        pkgconf --exists "$1"
    else
        return 1
    fi
}

# The sanitizers' and the fuzzer's runtime, which clang does not always bring.
have_clang_rt() {
    command -v clang >/dev/null 2>&1 || return 1
    [ "$(uname -s)" != Darwin ] || return 0
    for name in "libclang_rt.fuzzer-$(uname -m).a" libclang_rt.fuzzer.a; do
        if [ -f "$(clang -print-file-name="$name")" ]; then return 0; fi
    done
    return 1
}

have() {
    case $1 in
    tool:*) have_tool "${1#tool:}" ;;
    lib:*) have_lib "${1#lib:}" ;;
    python:*) python3 -c "import ${1#python:}" 2>/dev/null ;;
    clang-rt) have_clang_rt ;;
    # NEON kernels are cross-compiled and emulated where the machine itself is no Arm.
    arm64-cc) [ "$(uname -m)" = aarch64 ] || have_tool aarch64-linux-gnu-gcc ;;
    arm64-run) [ "$(uname -m)" = aarch64 ] || have_tool qemu-aarch64,qemu-aarch64-static ;;
    esac
}

manager=none
for name in apt-get dnf apk brew; do
    if command -v $name >/dev/null 2>&1; then
        manager=$name
        break
    fi
done

# shellcheck source=tools/kegs.sh
. "$(dirname "$0")/kegs.sh"

missing=
packages=
collect() {
    while read -r what check apt dnf apk brew; do
        if have "$check"; then continue; fi
        case $manager in
        apt-get) names=$apt ;;
        dnf) names=$dnf ;;
        apk) names=$apk ;;
        brew) names=$brew ;;
        none) names=- ;;
        esac
        if [ "$names" = - ] && [ $manager != none ]; then continue; fi
        missing="$missing $what"
        packages="$packages $(echo "$names" | tr , ' ')"
    done <<TABLE
$(needs)
TABLE
}
collect

if [ -z "$missing" ]; then
    exit 0
fi
echo "deps: missing:$missing"
if [ $list = yes ]; then
    exit 1
fi
if [ $manager = none ]; then
    echo "deps: found none of apt-get, dnf, apk, brew: please install these yourself" >&2
    exit 1
fi

as_root=
if [ $manager != brew ] && [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1; then
        as_root=sudo
    elif command -v doas >/dev/null 2>&1; then
        as_root=doas
    else
        echo "deps: installing needs root: run as root, $manager install$packages" >&2
        exit 1
    fi
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Says what it runs; its output is shown when it fails. No package may ask questions.
loud() {
    echo "deps: ${as_root:+$as_root }$*"
    $as_root env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1
}

# Package lists that are missing or old make an install fail, so it is tried, then the
# lists are fetched, then it is tried again.
install() {
    # shellcheck disable=SC2086 # lists of words
    case $manager in
    apt-get)
        if loud apt-get install -y --no-install-recommends $packages; then return 0; fi
        loud apt-get update || cat "$log" >&2
        loud apt-get install -y --no-install-recommends $packages
        ;;
    dnf) loud dnf install -y $packages ;;
    apk) loud apk add --no-cache $packages ;;
    brew) loud brew install $packages ;;
    esac
}

if ! install; then
    cat "$log" >&2
    echo "deps: $manager could not install$packages (its words are above)" >&2
    exit 1
fi

missing=
packages=
# shellcheck source=tools/kegs.sh
. "$(dirname "$0")/kegs.sh" # what was installed just now
collect
if [ -n "$missing" ]; then
    echo "deps: installed, but still not found:$missing" >&2
    exit 1
fi
