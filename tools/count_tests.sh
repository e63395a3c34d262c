#!/bin/sh
# Counts what the last "meson test" in a build directory ran, and says it on one line:
#     sh tools/count_tests.sh BUILD    →    12 passed, 0 failed
set -eu
log=$1/meson-logs/testlog.txt
if [ ! -f "$log" ]; then
    echo "count_tests: $log is not there: run meson test -C $1 first" >&2
    exit 1
fi
# Meson's closing lines: "Ok: 12", "Expected Fail: 0", "Fail: 0", "Unexpected Pass: 0",
# "Skipped: 0", "Timeout: 0".
awk -F: '
    /^Ok:/ || /^Expected Fail:/ { passed += $2 }
    /^Fail:/ || /^Unexpected Pass:/ || /^Timeout:/ { failed += $2 }
    /^Skipped:/ { skipped += $2 }
    END {
        printf "%d passed, %d failed", passed, failed
        if (skipped > 0) printf ", %d skipped", skipped
        print ""
    }' "$log"
