# Sourced by tests/run.sh, examples/run.sh and tests/bench/run.sh: brings up what they need and is safe to run again.
#
#   set_up_tools          compiler, git and the like, where they are missing
#   set_up_engine         a Docker engine that answers
#   set_up_images         base images, made here: nothing is pulled
#   set_up_emulator       the AWS emulator's virtual environment
#   start_emulator DIR    an emulator of our own on a free loopback port
#
# The script that sources it has `set -euo pipefail`: a step that fails says why, shows its log and ends the script.
# What it makes once is kept under $SLUICE_DEV_DIR (default: ~/.cache/sluice-dev) and found there the next time.

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SLUICE_DEV_DIR=${SLUICE_DEV_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/sluice-dev}
LOGS=$SLUICE_DEV_DIR/logs
mkdir -p "$LOGS"

say() { printf '\033[2m··\033[0m %s\n' "$*" >&2; }
if [ ! -t 2 ] || [ -n "${NO_COLOR:-}" ]; then say() { printf '·· %s\n' "$*" >&2; }; fi
# step TEXT, show COMMAND…: what a demonstration does next, and the command that it is done with.
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then step() { printf '\n%s\n' "$*"; }; fi
show() { printf '$ %s\n' "$*"; }
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    for hint in "$@"; do printf '  hint: %s\n' "$hint" >&2; done
    exit 3
}

# quietly WHAT COMMAND…: runs the command with its output in a log file, which is shown when it fails.
quietly() {
    local what=$1 log status
    shift
    log=$LOGS/$(tr -cs 'a-zA-Z0-9\n' - <<<"$what").$$.log
    say "$what"
    # A subshell outside of any condition: inside one, the shell would go on after a command that failed.
    set +e
    (
        set -euo pipefail
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    if [ "$status" -eq 0 ]; then
        rm -f "$log"
        return 0
    fi
    printf -- '---- %s\n' "$log" >&2
    tail -n 40 "$log" >&2
    printf -- '----\n' >&2
    die "$what failed" "the whole log is $log"
}

# wait_until SECONDS COMMAND…: polls the command until it succeeds or the time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# free_port: a loopback port that nobody listens on.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# once NAME FUNCTION…: two scripts at a time do not make the same thing twice, or half.
once() {
    local name=$1
    shift
    (
        flock 9
        "$@"
    ) 9>"$SLUICE_DEV_DIR/$name.lock"
}

# shellcheck source-path=SCRIPTDIR
. "$REPOSITORY/tests/lib/system.sh"
. "$REPOSITORY/tests/lib/images.sh"
. "$REPOSITORY/tests/lib/emulator.sh"
