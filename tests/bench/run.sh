#!/usr/bin/env bash
# The benchmark: each case of Sluice runs in turn with its baseline, in rounds, and the ratios of the medians come out
# as a table. Milliseconds depend on the machine, and on what else it does; ratios do so less.
#
#   tests/bench/run.sh                     everything (about a quarter of an hour on two cores)
#   tests/bench/run.sh cold ten            only these: cold warm ten twenty log lines worker validate version
#                                          clone push
#   ROUNDS=21 LOG_MIB=200 tests/bench/run.sh cold log
#   SLUICE=/path/to/sluice WARM=/path/to/the/example/warm LOAD=/path/to/the/example/load
#                                          measures those instead of a release build of this checkout; the worker that
#                                          is measured is the binary beside the example
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/setup.sh

set_up_tools
set_up_engine
set_up_test_services
set_up_images
if [ -z "${SLUICE:-}" ]; then
    cargo build --release --locked --workspace --bin sluice
    SLUICE=${CARGO_TARGET_DIR:-$REPOSITORY/target}/release/sluice
fi
if [ -z "${WARM:-}" ]; then
    cargo build --release --locked --workspace --example warm
    WARM=${CARGO_TARGET_DIR:-$REPOSITORY/target}/release/examples/warm
fi
if [ -z "${LOAD:-}" ]; then
    set_up_emulator
    cargo build --release --locked --workspace --bins --example load
    LOAD=${CARGO_TARGET_DIR:-$REPOSITORY/target}/release/examples/load
    export SLUICE_TEST_VENV=$EMULATOR_VENV
fi
export SLUICE WARM LOAD BUSYBOX_IMAGE SLUICE_TEST_BUSYBOX_IMAGE=$BUSYBOX_IMAGE BENCH_DIR=${BENCH_DIR:-$SLUICE_DEV_DIR}

wanted() { [ "${#CASES[@]}" -eq 0 ] || [[ " ${CASES[*]} " == *" $1 "* ]]; }
CASES=("$@")

python3 tests/bench/bench.py "$@"
for part in clone push; do
    if wanted "$part" && [ -x "tests/bench/$part.sh" ]; then "tests/bench/$part.sh"; fi
done
