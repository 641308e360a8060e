#!/usr/bin/env bash
# Runs everything that says whether this checkout is good: formatting, lints, licences, and the tests of all rings.
# Brings up what they need first. Arguments go to the test runner: tests/run.sh -E 'test(cancel)'.
#
#   SLUICE_DENY=1   install cargo-deny when it is missing (some minutes), instead of leaving that check out
#
# The last lines are the test runner's own summary. Ends 0 when everything passed.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib/setup.sh

FAILED=()

# check NAME COMMAND…: goes on after a failure, so that one call tells all there is to mend.
check() {
    local name=$1 started=$SECONDS
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    if "$@"; then
        printf '== %s: ok (%ss)\n' "$name" "$((SECONDS - started))"
    else
        printf '== %s: FAILED (%ss)\n' "$name" "$((SECONDS - started))"
        FAILED+=("$name")
    fi
}

scripts_parse() {
    local script
    git ls-files --cached --others --exclude-standard '*.sh' .ci/run | while read -r script; do
        bash -n "$script" || exit 1
    done
    if command -v shellcheck >/dev/null; then git ls-files '*.sh' | xargs shellcheck -x -e SC1091; fi
}

deny() {
    if ! command -v cargo-deny >/dev/null; then
        [ -n "${SLUICE_DENY:-}" ] || { echo "cargo-deny is not installed: left out (SLUICE_DENY=1 installs it)"; return 0; }
        (quietly "installing cargo-deny" cargo install --quiet --locked cargo-deny@0.20.2) || return 1
    fi
    # It looks at the crates of all systems, and a build has brought in those of this one.
    cargo fetch --quiet --locked || return 1
    # The advisory database is a repository on GitHub, which a build machine may not reach: `cargo deny check` has it too.
    cargo deny --offline check bans licenses sources
}

run_tests() {
    if command -v cargo-nextest >/dev/null; then
        cargo nextest run --workspace --no-fail-fast "$@"
    else
        cargo test --workspace --lib --bins --tests --examples --no-fail-fast -- "$@"
    fi
}

set_up_tools
set_up_engine
set_up_test_services
set_up_images
set_up_emulator
# Tests start emulators of their own, each on its own port, from this environment.
export SLUICE_TEST_VENV=$EMULATOR_VENV
export SLUICE_TEST_BUSYBOX_IMAGE=$BUSYBOX_IMAGE SLUICE_TEST_PYTHON_IMAGE=$PYTHON_IMAGE
say "ready in ${SECONDS}s: engine $(docker version --format '{{.Server.Version}}'), $(cargo --version)"

check formatting cargo fmt --all --check
check scripts scripts_parse
check build cargo build --quiet --workspace --bins
check lints cargo clippy --quiet --workspace --all-targets -- -D warnings
check licences deny
check 'worker image' tests/dockerfile.sh
if [ "${#FAILED[@]}" -gt 0 ]; then printf '\n== failed so far: %s\n' "${FAILED[*]}"; fi

printf '\n== tests\n'
status=0
run_tests "$@" || status=$?
if [ "${#FAILED[@]}" -gt 0 ]; then
    printf '== failed besides the tests: %s\n' "${FAILED[*]}"
    [ "$status" -ne 0 ] || status=1
fi
exit "$status"
