#!/usr/bin/env bash
# A fault run: workers of a fleet that are killed again and again, over a network that throttles, fails and loses answers.
# Their jobs are builds that end well or ill, builds with services, roll-outs of ECS services, and runs from a queue.
#
#   tests/faults.sh [JOBS] [WORKERS] [SEED]            300 4 7 takes some minutes on two processors
#   tests/faults.sh JOBS WORKERS SEED engine           the engine is killed and started again too (one of its own; as root)
#
# Ends 0 when each job was reported once with the right result, no deployment was begun twice, each log is whole, and nothing
# is left in the engine, the ledger, the queue or the workers' folders.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib/setup.sh
set_up_tools
set_up_engine
set_up_images
set_up_emulator
export SLUICE_TEST_VENV=$EMULATOR_VENV SLUICE_TEST_BUSYBOX_IMAGE=$BUSYBOX_IMAGE SLUICE_TEST_PYTHON_IMAGE=$PYTHON_IMAGE
cargo build --quiet --workspace --bins --example faults
exec "${CARGO_TARGET_DIR:-target}/debug/examples/faults" "$@"
