#!/bin/sh
# From a fresh clone to a measurement: installs what is missing, builds, runs the benchmark
# on the bundled model. Arguments go to "inferometer run".
#
#     sh tools/try.sh
#     sh tools/try.sh -m DIRECTORY -n 50 --plots pictures
set -eu
cd "$(dirname "$0")/.."
sh tools/deps.sh
sh tools/build.sh build
exec build/inferometer run "$@"
