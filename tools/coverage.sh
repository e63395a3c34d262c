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
sh tools/build.sh build-coverage -Dbuildtype=debug -Doptimization=1 -Db_coverage=true
# Counts of an earlier run would be added to.
find build-coverage -name '*.gcda' -delete
meson test -C build-coverage --no-rebuild --timeout-multiplier 10 --print-errorlogs --quiet "$@"
mkdir -p build-coverage/coverage
gcovr --root . --object-directory build-coverage --filter 'src/' \
    --exclude-unreachable-branches --print-summary \
    --html-details build-coverage/coverage/index.html --txt
echo "coverage: build-coverage/coverage/index.html"
