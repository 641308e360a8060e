# The AWS emulator (PyPI: ministack) and the AWS CLI in a virtual environment of their own. Sourced by setup.sh.

REQUIREMENTS=$REPOSITORY/tests/lib/requirements.txt
EMULATOR_VENV=$SLUICE_DEV_DIR/venv-$(sha256sum "$REQUIREMENTS" | cut -c1-12)

set_up_emulator() {
    [ ! -e "$EMULATOR_VENV/complete" ] || return 0
    # Debian's python3 comes without the module that puts pip into a new environment.
    need "python3 -c 'import ensurepip, venv'" python3-venv
    install_missing "for the AWS emulator"
    once emulator make_emulator_venv
}

make_emulator_venv() {
    [ ! -e "$EMULATOR_VENV/complete" ] || return 0
    rm -rf "$EMULATOR_VENV"
    quietly "making a Python environment" python3 -m venv "$EMULATOR_VENV"
    quietly "installing the AWS emulator and CLI" "$EMULATOR_VENV/bin/pip" install --disable-pip-version-check --no-input \
        -r "$REQUIREMENTS"
    touch "$EMULATOR_VENV/complete"
}

# start_emulator DIR: starts one on a free port, exports what AWS clients read, and sets EMULATOR_PID for stop_emulator.
start_emulator() {
    local directory=$1 port
    port=$(free_port)
    mkdir -p "$directory"
    GATEWAY_PORT=$port BIND_HOST=127.0.0.1 MINISTACK_HOST=127.0.0.1 MINISTACK_HOSTNAME=sluice-dev TMPDIR=$directory LOG_LEVEL=${EMULATOR_LOG:-INFO} \
        "$EMULATOR_VENV/bin/ministack" >"$directory/emulator.log" 2>&1 </dev/null &
    EMULATOR_PID=$!
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
    export AWS_EC2_METADATA_DISABLED=true
    unset AWS_PROFILE AWS_SESSION_TOKEN
    wait_until 60 emulator_answers && return 0
    tail -n 20 "$directory/emulator.log" >&2
    die "the AWS emulator did not answer within a minute" "its log is $directory/emulator.log"
}

emulator_answers() {
    kill -0 "$EMULATOR_PID" 2>/dev/null || exit 1
    curl -fsS --noproxy '*' -o /dev/null "$AWS_ENDPOINT_URL/_ministack/health"
}

# stop_emulator: ends it, and what its ECS services ran: while it goes, they may start a task once more.
stop_emulator() {
    [ -n "${EMULATOR_PID:-}" ] || return 0
    curl -fsS --noproxy '*' -m 60 -o /dev/null -X POST "$AWS_ENDPOINT_URL/_ministack/reset" 2>/dev/null || true
    kill "$EMULATOR_PID" 2>/dev/null || true
    wait "$EMULATOR_PID" 2>/dev/null || true
    EMULATOR_PID=
    docker ps -aq --filter "label=ministack.instance=sluice-dev:${AWS_ENDPOINT_URL##*:}" | xargs -r docker rm -fv >/dev/null
}
