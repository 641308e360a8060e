# System packages and the Docker engine. Sourced by setup.sh; knows nothing of images or AWS.

# need COMMAND-OR-TEST PACKAGE…: notes the packages when the test fails.
MISSING=()
need() {
    local test=$1
    shift
    eval "$test" >/dev/null 2>&1 || MISSING+=("$@")
}

# install_missing WHY: one apt call for all that `need` noted; nothing at all when nothing is missing.
install_missing() {
    [ "${#MISSING[@]}" -gt 0 ] || return 0
    local packages=("${MISSING[@]}") sudo=()
    MISSING=()
    command -v apt-get >/dev/null || die "missing on this machine: ${packages[*]} ($1)" \
        "install what your system calls these Debian packages, then run this again"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null && sudo=(sudo -n)
        [ "${#sudo[@]}" -gt 0 ] || die "missing on this machine: ${packages[*]} ($1)" \
            "as root: apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
    fi
    refresh_package_lists "${sudo[@]}"
    quietly "installing ${packages[*]}" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${packages[@]}"
}

# refresh_package_lists [sudo…]: apt's lists may be absent or a day old; either makes downloads fail.
refresh_package_lists() {
    [ -z "${LISTS_FRESH:-}" ] || return 0
    quietly "reading the package lists" "$@" apt-get update -q
    LISTS_FRESH=1
}

set_up_tools() {
    # Recent toolchains live in ~/.cargo/bin, which a non-login shell does not always have on its path.
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
    command -v cargo >/dev/null || die "cargo is not installed" "Rust 1.95 or later: https://rustup.rs"
    need "command -v cc" gcc libc6-dev
    need "command -v git && test -x \"\$(git --exec-path)/git-http-backend\"" git
    need "command -v curl" curl ca-certificates
    need "command -v python3" python3
    need "command -v pkg-config" pkg-config
    need "pkg-config --exists openssl" libssl-dev
    install_missing "to build Sluice and its tests"
}

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

set_up_engine() {
    need "command -v docker" docker.io
    if [ -z "${DOCKER_HOST:-}" ] && ! engine_answers; then need "command -v dockerd" docker.io; fi
    install_missing "builds run in Docker containers"
    engine_answers && return 0
    [ -z "${DOCKER_HOST:-}" ] || die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST" \
        "start it, or unset DOCKER_HOST to use this machine's own"
    [ "$(id -u)" -eq 0 ] || die "no Docker engine answers, and only root can start one: $(engine_error)" \
        "start it (sudo systemctl start docker), and be in the group docker (sudo usermod -aG docker $(id -un))"
    once engine start_engine
}

engine_error() { docker version --format '{{.Server.Version}}' 2>&1 >/dev/null | tail -n 1; }

start_engine() {
    engine_answers && return 0
    if [ -d /run/systemd/system ]; then
        quietly "starting Docker" systemctl start docker
    else
        say "starting dockerd (log: $LOGS/dockerd.log)"
        # Its own session and no descriptor of ours: it outlives this script, and holds no lock.
        setsid nohup dockerd >"$LOGS/dockerd.log" 2>&1 </dev/null 9>&- &
    fi
    wait_until 60 engine_answers && return 0
    [ ! -f "$LOGS/dockerd.log" ] || tail -n 20 "$LOGS/dockerd.log" >&2
    die "the Docker engine did not answer within a minute" "see $LOGS/dockerd.log, or journalctl -u docker"
}

# What only the tests need: a second real registry, a busybox that runs in an image of nothing else, an SSH server.
set_up_test_services() {
    need "command -v docker-registry" docker-registry
    need "test -x /bin/busybox && static_busybox" busybox-static
    # Where services are managed, the package would open the machine to logins: there the test is left out.
    [ -d /run/systemd/system ] || need "test -x /usr/sbin/sshd" openssh-server
    install_missing "tests run against it"
}
