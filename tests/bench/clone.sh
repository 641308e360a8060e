#!/bin/bash
# A clone with a warm mirror, beside what Git itself does. Prints medians [min-max] in milliseconds and ratios.
#
# tests/bench/clone.sh [ROUNDS]      FETCH=PROGRAM is the built example `fetch`; REPOSITORY=FOLDER a bare repository to
#                                    measure with instead of one made of 5,000 files; WHERE=FOLDER where to work
#
# The cases of a round are interleaved, and nothing is deleted before the end: on ext4, files made soon after others
# were deleted under the same parent are many times slower.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
rounds=${1:-7}
if [ -z "${FETCH:-}" ]; then
    cargo build --quiet --release --manifest-path "$here/Cargo.toml" -p sluice-tests --example fetch
    FETCH=$here/target/release/examples/fetch
fi
work=$(mktemp -d "${WHERE:-${TMPDIR:-/tmp}}/clone-bench.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null

make_repository() {
    git init -q -b main "$work/made"
    python3 - "$work/made" <<'PYTHON'
import os, random, sys
random.seed(7)
words = [bytes(random.choices(b"abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 9))) for _ in range(5000)]
for number in range(5000):
    folder = os.path.join(sys.argv[1], "d%d" % (number % 40), "s%d" % (number % 7))
    os.makedirs(folder, exist_ok=True)
    lines = (b" ".join(random.choices(words, k=8)) for _ in range(random.randint(1, 320)))
    with open(os.path.join(folder, "f%d.txt" % number), "wb") as file:
        file.write(b"\n".join(lines) + b"\n")
PYTHON
    git -C "$work/made" add --all
    git -C "$work/made" -c user.name=a -c user.email=a@example.org commit -q -m one
    git clone -q --bare "$work/made" "$work/served/app.git"
}

mkdir -p "$work/served"
if [ -n "${REPOSITORY:-}" ]; then
    cp -a "$REPOSITORY" "$work/served/app.git"
else
    make_repository
fi
commit=$(git -C "$work/served/app.git" rev-parse HEAD)
branch=$(git -C "$work/served/app.git" symbolic-ref --short HEAD)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 "$here/tests/lib/git_server.py" "$work/served" "$port" 2>/dev/null &
server=$!
url=http://127.0.0.1:$port/app.git
until git ls-remote -q "$url" >/dev/null 2>&1; do sleep 0.1; done

"$FETCH" "$work/cache" "$url" "$branch" "$work/first"
mirror=$(echo "$work"/cache/*.git)
[ -z "$(git -C "$work/first" status --porcelain)" ]
echo "$(git -C "$work/first" ls-files | wc -l) files, $(du -sm "$mirror" | cut -f1) MB of objects, $rounds rounds"

cases=(local commit branch http)
label_local="git clone --local of the mirror"
label_commit="known commit, no network"
label_branch="branch, nothing new, one question"
label_http="git clone over http"
run_local() { git clone -q --local "$mirror" "$1"; }
run_commit() { "$FETCH" "$work/cache" "$url" "$commit" "$1"; }
run_branch() { "$FETCH" "$work/cache" "$url" "$branch" "$1"; }
run_http() { git clone -q "$url" "$1"; }

for round in $(seq "$rounds"); do
    # The order turns with each round, so that no case always follows the same other.
    for at in "${!cases[@]}"; do
        case=${cases[$(((at + round) % ${#cases[@]}))]}
        sync -f "$work"
        start=$EPOCHREALTIME
        "run_$case" "$work/$round-$case"
        end=$EPOCHREALTIME
        echo "$(((${end/./} - ${start/./}) / 1000))" >>"$work/$case.ms"
    done
done

middle() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'; }
read -r base _ < <(middle "$work/local.ms")
for case in "${cases[@]}"; do
    read -r median least most < <(middle "$work/$case.ms")
    label=label_$case
    printf '%-36s %6d [%d-%d]  %s\n' "${!label}" "$median" "$least" "$most" "$(awk "BEGIN { printf \"%.2f\", $median / $base }")"
done
