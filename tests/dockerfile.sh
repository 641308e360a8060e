#!/usr/bin/env bash
# Builds the worker's image on a base made here (nothing is pulled) and looks at what came out.
#
#   SLUICE=/path/to/sluice tests/dockerfile.sh    takes that binary; otherwise the debug build of this checkout
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lib/setup.sh

SLUICE=${SLUICE:-${CARGO_TARGET_DIR:-$REPOSITORY/target}/debug/sluice}
[ -x "$SLUICE" ] || die "there is no binary at $SLUICE" "cargo build -p runner --bin sluice"
IMAGE=sluice-worker-test:$$
CONTEXT=$(mktemp -d)
trap 'rm -rf "$CONTEXT"; docker rmi -f "$IMAGE" "$IMAGE-compiled" "$IMAGE-builder" >/dev/null 2>&1 || true' EXIT

field() { docker image inspect --format "$1" "$IMAGE"; }
expect() { [ "$2" = "$3" ] || die "$1: expected '$3', found '$2'"; }

set_up_engine
set_up_images
cp Dockerfile .dockerignore Cargo.toml "$CONTEXT/"
cp "$SLUICE" "$CONTEXT/sluice"
# The Python base has the OpenSSL that the binary links. The classic builder needs no plugin of Docker's client.
quietly 'building the image' env DOCKER_BUILDKIT=0 docker build -t "$IMAGE" --target prebuilt \
    --build-arg RUNTIME="$PYTHON_IMAGE" --build-arg BUILDER="$BUSYBOX_IMAGE" --build-arg BINARY=sluice "$CONTEXT"

expect 'its version' "$(docker run --rm "$IMAGE" --version)" "$("$SLUICE" --version)"
expect 'its user' "$(field '{{.Config.User}}')" 10001:10001
expect 'its health check' "$(field '{{index .Config.Healthcheck.Test 1}}')" 'sluice worker status >/dev/null || exit 1'
expect 'its health without a worker' "$(docker run --rm --entrypoint sh "$IMAGE" -c "$(field '{{index .Config.Healthcheck.Test 1}}')" 2>/dev/null || echo $?)" 1
expect 'who it is' "$(docker run --rm --entrypoint id "$IMAGE" -u)" 10001
docker run --rm --entrypoint sh "$IMAGE" -c 'touch "$SLUICE_STATE_DIR/x"' || die 'it cannot write its state directory'
# The default target, which the classic builder reaches through all others. Compiler and binary are words of the shell:
# what the builder leaves of the stages before the last takes no room.
mkdir "$CONTEXT/builder"
printf '#!/bin/sh\necho compiled\n' >"$CONTEXT/sluice"
cat >"$CONTEXT/builder/Dockerfile" <<EOF
FROM $BUSYBOX_IMAGE
RUN mkdir -p /usr/local/bin && cd /usr/local/bin && echo 'mkdir -p target/release && cp sluice target/release/' >cargo \\
    && chmod +x cargo
EOF
quietly 'building a builder' env DOCKER_BUILDKIT=0 docker build -t "$IMAGE-builder" "$CONTEXT/builder"
quietly 'building the default target' env DOCKER_BUILDKIT=0 docker build -t "$IMAGE-compiled" \
    --build-arg RUNTIME="$PYTHON_IMAGE" --build-arg BUILDER="$IMAGE-builder" "$CONTEXT"
expect 'the default target' "$(docker run --rm "$IMAGE-compiled")" compiled
say "the image is good: $(("$(field '{{.Size}}')" / 1000000)) MB"
