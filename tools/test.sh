#!/bin/sh
# From a fresh clone to passed tests: installs what is missing, builds, runs every test.
# Arguments go to "meson test" (for example --suite unit, or a test's name).
set -eu
cd "$(dirname "$0")/.."
sh tools/deps.sh
sh tools/build.sh build
if ! meson introspect --tests build | grep -q '"name"'; then
    echo "test: no tests were built (is cmocka there? sh tools/deps.sh)" >&2
    exit 1
fi
# Most of the time of the longer tests is waiting for another process: more of them at once
# than there are processors.
MESON_TESTTHREADS=${MESON_TESTTHREADS:-$((3 * $(getconf _NPROCESSORS_ONLN)))}
export MESON_TESTTHREADS
status=0
meson test -C build --no-rebuild --print-errorlogs "$@" || status=$?
sh tools/count_tests.sh build
exit $status
