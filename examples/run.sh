#!/usr/bin/env bash
# From a commit to production, on this machine: examples/service through Sluice, with real parts everywhere.
#
#   a git server         git http-backend behind HTTP, with the service committed in a repository
#   builds               in Docker containers
#   a registry           ECR in the AWS emulator; images are really pushed
#   three environments   ECS services in three accounts of the emulator; their tasks are containers
#   a gate               before production, answered by another process
#
# It ends with what the container in production answers: the commit that was built. Everything is removed afterwards.
#
#   examples/run.sh            examples/service, to production
#   examples/run.sh failing    examples/failing: a roll-out that is taken back; production answers as before
#   examples/run.sh worker     examples/worker: a CodePipeline execution whose build a worker does
#   --keep                     leaves production running until Enter is pressed
#   SLUICE=/path/to/sluice     uses that binary instead of building this checkout
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib/setup.sh

EXAMPLE=service
KEEP=
for word in "$@"; do
    case $word in
        --keep) KEEP=1 ;;
        service | failing | worker) EXAMPLE=$word ;;
        *) die "no example '$word' here" "examples/run.sh [service|failing|worker] [--keep]" ;;
    esac
done


clean_up() {
    local status=$?
    trap - EXIT
    [ -z "${APPROVER:-}" ] || kill "$APPROVER" 2>/dev/null || true
    [ -z "${GIT_SERVER:-}" ] || kill "$GIT_SERVER" 2>/dev/null || true
    stop_emulator
    if [ -n "${REGISTRY:-}" ]; then
        docker images --format '{{.ID}} {{.Repository}}' | awk -v r="$REGISTRY/" 'index($2, r) == 1 { print $1 }' \
            | sort -u | xargs -r docker rmi -f >/dev/null 2>&1 || true
    fi
    rm -rf "$WORK"
    exit "$status"
}

build_sluice() {
    [ -z "${SLUICE:-}" ] || return 0
    cargo build --locked --workspace --bin sluice --bin codepipeline
    SLUICE=${CARGO_TARGET_DIR:-$REPOSITORY/target}/debug/sluice
}

# What a team has before: three environments that run something.
PLACEHOLDER='what ran before'
make_environments() {
    printf '%s\n' "FROM $BUSYBOX_IMAGE" "RUN mkdir /www && echo '$PLACEHOLDER' >/www/index.html" \
        'CMD ["sh", "-c", "trap \"exit 0\" TERM; httpd -f -p 8080 -h /www & wait"]' \
        | DOCKER_BUILDKIT=0 docker build -q -t "$REGISTRY/placeholder:1" -
    "$EMULATOR_VENV/bin/python" examples/environments.py repository placeholder
    docker push -q "$REGISTRY/placeholder:1"
    "$EMULATOR_VENV/bin/python" examples/environments.py make "$REGISTRY/placeholder:1"
}

make_repository() {
    cp -R "examples/$EXAMPLE" "$WORK/checkout"
    git -C "$WORK/checkout" init -q -b main
    git -C "$WORK/checkout" add .
    git -C "$WORK/checkout" -c user.name='Example' -c user.email=example@example.com commit -q -m "The example $EXAMPLE"
    git clone -q --bare "$WORK/checkout" "$WORK/git/$EXAMPLE.git"
}

start_git_server() {
    local port
    port=$(free_port)
    python3 tests/lib/git_server.py "$WORK/git" "$port" >"$WORK/git.log" 2>&1 </dev/null &
    GIT_SERVER=$!
    GIT_URL=http://127.0.0.1:$port/$EXAMPLE.git
    wait_until 30 git ls-remote "$GIT_URL" || die "the git server does not answer" "$(tail -n 5 "$WORK/git.log")"
}

# The person who approves, on another terminal: waits until the run asks, then answers.
approve_when_asked() {
    wait_until 900 asked || return 0
    "$SLUICE" approve "$(the_run)" Production --comment 'the figures are right' >"$WORK/approve.log" 2>&1
}
asked() { "$SLUICE" runs | grep -q 'WAITING at Production'; }
the_run() { "$SLUICE" runs | awk 'NR == 2 { print $1 }'; }

production() { "$EMULATOR_VENV/bin/python" examples/environments.py address 333333333333 production billing; }

step '1. What is needed'
set_up_tools
set_up_engine
set_up_images
set_up_emulator
build_sluice
WORK=$(mktemp -d "$SLUICE_DEV_DIR/demo.XXXXXX")
trap clean_up EXIT
export SLUICE_STATE_DIR=$WORK/state
start_emulator "$WORK/emulator"
if [ "$EXAMPLE" = worker ]; then
    export SLUICE CODEPIPELINE=${CODEPIPELINE:-$(dirname "$SLUICE")/codepipeline} WORK
    examples/worker/run.sh
    exit
fi
REGISTRY=${AWS_ENDPOINT_URL#http://}
quietly 'making three environments: dev, staging, production' make_environments
quietly 'making a repository' make_repository
start_git_server
COMMIT=$(git -C "$WORK/checkout" rev-parse HEAD)
say "engine $(docker version --format '{{.Server.Version}}'), AWS at $AWS_ENDPOINT_URL, source $GIT_URL at ${COMMIT:0:7}"

step '2. The pipeline'
show sluice run --source "$GIT_URL" --var registry="$REGISTRY"
approve_when_asked &
APPROVER=$!
status=0
"$SLUICE" run --source "$GIT_URL" --var registry="$REGISTRY" || status=$?
kill "$APPROVER" 2>/dev/null || true
APPROVER=

step '3. The record'
show sluice show
"$SLUICE" show

step '4. Production'
ADDRESS=$(production)
show curl "http://$ADDRESS/"
ANSWER=$(curl -sS --noproxy '*' --retry 10 --retry-connrefused --retry-delay 1 "http://$ADDRESS/")
printf '%s\n' "$ANSWER"
if [ "$EXAMPLE" = failing ]; then
    case $status:$ANSWER in
        1:*"$PLACEHOLDER"*) printf '\nThe roll-out failed, and production answers as before.\n' ;;
        *) die "expected a run that ends with 1 (it ended with $status) and an unchanged production" ;;
    esac
    exit 1
fi
[ "$status" -eq 0 ] || die "the run ended with $status" "its record was in $SLUICE_STATE_DIR"
case $ANSWER in
    *"$COMMIT"*'"production"'*) printf '\nProduction runs commit %s, built from %s.\n' "$COMMIT" "$GIT_URL" ;;
    *) die "production does not run commit $COMMIT" ;;
esac
if [ -n "$KEEP" ]; then read -r -p "Production answers at http://$ADDRESS/ until you press Enter. " _; fi
