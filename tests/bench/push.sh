#!/usr/bin/env bash
# Measures a push of a 200 MB image of five layers against `docker push` (and skopeo, where it is installed), cold and
# unchanged, in interleaved rounds, and prints medians and ratios.
#
#   tests/bench/push.sh [ROUNDS]        5 rounds unless told
#   PUSH_PROFILE=dev                    measures the debug build
set -euo pipefail
cd "$(dirname "$0")/../.."
ROUNDS=${1:-5}
BASE=${SLUICE_TEST_BUSYBOX_IMAGE:-sluice-base/busybox:1}
PROFILE=${PUSH_PROFILE:-release}
WORK=$(mktemp -d)
IMAGE=sluice-bench-push:1
REGISTRY_PID=
trap 'stop_registry; docker image rm -f $IMAGE $(docker image ls -q --filter label=sluice.bench=push) >/dev/null 2>&1 || true; rm -rf "$WORK"' EXIT

stop_registry() {
    if [ -n "$REGISTRY_PID" ]; then kill "$REGISTRY_PID" 2>/dev/null || true; wait "$REGISTRY_PID" 2>/dev/null || true; fi
    REGISTRY_PID=
}

# A registry with nothing in it, on a port of its own: neither side can know anything of it.
start_registry() {
    stop_registry
    rm -rf "$WORK/files"
    PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$WORK/registry.yml" <<YAML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $WORK/files } }
http: { addr: "127.0.0.1:$PORT" }
YAML
    docker-registry serve "$WORK/registry.yml" >/dev/null 2>&1 &
    REGISTRY_PID=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; do sleep 0.05; done
}

# timed NAME COMMAND…: appends the milliseconds to $WORK/NAME.
timed() {
    local name=$1 start
    shift
    start=$(date +%s%N)
    "$@" >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; exit 1; }
    echo $((($(date +%s%N) - start) / 1000000)) >>"$WORK/$name"
}

median() { sort -n "$WORK/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

row() { # LABEL NAME BASELINE
    [ -s "$WORK/$2" ] || return 0
    awk -v label="$1" -v value="$(median "$2")" -v base="$(median "$3")" \
        'BEGIN { printf "| %-28s | %8d ms | %5.2f |\n", label, value, value / base }'
}

# Five layers of 40 MB, each half text and half noise, so that compression is neither free nor useless.
mkdir "$WORK/context"
python3 - "$WORK/context" <<'PY'
import random, sys
words = [bytes(random.Random(n).choices(b"abcdefghijklmnop", k=random.Random(n).randint(2, 9))) for n in range(4000)]
for layer in range(5):
    rng = random.Random(layer)
    text = b" ".join(rng.choices(words, k=3_600_000))[: 20_000_000]
    with open(f"{sys.argv[1]}/{layer}", "wb") as out:
        out.write(text + rng.randbytes(40_000_000 - len(text)))
PY
{ echo "FROM $BASE"; echo "LABEL sluice.bench=push"; for n in 0 1 2 3 4; do echo "COPY $n /$n"; done; } >"$WORK/context/Dockerfile"
# The classic builder: the client may lack the plugin that BuildKit needs.
DOCKER_BUILDKIT=0 docker build -q -t $IMAGE "$WORK/context" >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; exit 1; }
ID=$(docker image inspect --format '{{.Id}}' $IMAGE)
if [ "$PROFILE" = release ]; then cargo build -q --release --workspace --example push; PUSH=target/release/examples/push
else cargo build -q --workspace --example push; PUSH=target/debug/examples/push; fi

for round in $(seq "$ROUNDS"); do
    start_registry
    docker tag $IMAGE "127.0.0.1:$PORT/bench:1"
    timed docker-cold docker push -q "127.0.0.1:$PORT/bench:1"
    timed docker-unchanged docker push -q "127.0.0.1:$PORT/bench:1"
    docker image rm "127.0.0.1:$PORT/bench:1" >/dev/null
    start_registry
    timed sluice-cold "$PUSH" "$ID" "127.0.0.1:$PORT" bench 1 "$WORK/cache-$round"
    timed sluice-unchanged "$PUSH" "$ID" "127.0.0.1:$PORT" bench 1 "$WORK/cache-$round"
    if command -v skopeo >/dev/null; then
        start_registry
        timed skopeo-cold skopeo copy -q --dest-tls-verify=false docker-daemon:$IMAGE "docker://127.0.0.1:$PORT/bench:1"
        timed skopeo-unchanged skopeo copy -q --dest-tls-verify=false docker-daemon:$IMAGE "docker://127.0.0.1:$PORT/bench:1"
    fi
    rm -rf "$WORK/cache-$round"
done

echo "| push, 200 MB, 5 layers ($ROUNDS rounds) | median | ratio |"
echo "|---|---|---|"
for state in cold unchanged; do
    row "docker push, $state" docker-$state docker-$state
    row "sluice, $state" sluice-$state docker-$state
    row "skopeo, $state" skopeo-$state docker-$state
done
