#!/bin/sh
# Checks that the shared library exports exactly the functions that include/inferometer/
# declares with IFM_API:
#     sh tools/check_symbols.sh build/libinferometer.so
set -eu
library=${1:?usage: check_symbols.sh LIBRARY}
headers=$(dirname "$0")/../include/inferometer

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A declaration may be folded; its name is the word in front of the first parenthesis.
cat "$headers"/*.h | tr '\n' ' ' | grep -oE 'IFM_API [^(;]*\(' |
    grep -oE 'ifm_[a-z0-9_]+ *\($' | tr -d ' (' | sort >"$work/declared"

# Names that begin with an underscore are the compiler's and the linker's own; those of
# Mach-O all have one more. mangle_path is gcc's, in a build that counts coverage.
case $(uname) in
Darwin) nm -gUP "$library" | sed -n 's/^_\([^_ ][^ ]*\) .*/\1/p' ;;
*) nm -DP --defined-only "$library" | sed -n 's/^\([^_ @][^ @]*\)[ @].*/\1/p' ;;
esac | grep -vx mangle_path | sort >"$work/exported"

if ! diff "$work/declared" "$work/exported" >"$work/difference"; then
    echo "check_symbols: < declared in include/inferometer/, > exported by $library:" >&2
    grep '^[<>]' "$work/difference" >&2
    exit 1
fi
echo "$(wc -l <"$work/declared") functions declared, the same exported"
