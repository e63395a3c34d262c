#!/bin/sh
# Which lines the tests run: builds in build-coverage, runs the tests, prints a table and
# writes build-coverage/coverage/index.html.
#     sh tools/coverage.sh [MESON TEST OPTIONS…]
set -eu
cd "$(dirname "$0")/.."
if ! command -v gcovr >/dev/null; then
    echo "coverage: gcovr is not here (sh tools/deps.sh --dev)" >&2
    exit 1
fi
# Threads count at once; without atomic counters some counts come out negative.
sh tools/build.sh build-coverage -Dbuildtype=debug -Doptimization=1 -Db_coverage=true \
    -Dc_args=-fprofile-update=atomic
# Counts of an earlier run would be added to.
find build-coverage -name '*.gcda' -delete
meson test -C build-coverage --no-rebuild --timeout-multiplier 10 --print-errorlogs --quiet "$@"
mkdir -p build-coverage/coverage
# The loops of the probe are compiled once for each instruction set, which gcovr 5 cannot
# add up.
gcovr --root . --object-directory build-coverage --filter 'src/' \
    --exclude src/probe/loops --gcov-ignore-parse-errors \
    --exclude-unreachable-branches --print-summary \
    --html-details build-coverage/coverage/index.html --txt
echo "coverage: build-coverage/coverage/index.html"
