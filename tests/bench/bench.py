"""The cases of tests/bench/run.sh that need Docker alone. Python's standard library only; Linux only."""

import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

SLUICE = os.environ["SLUICE"]
IMAGE = os.environ["BUSYBOX_IMAGE"]
ROUNDS = int(os.environ.get("ROUNDS", "11"))
LOG_MIB = int(os.environ.get("LOG_MIB", "1024"))
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}


class Engine(http.client.HTTPConnection):
    """One connection to the engine's socket: the floor under everything that uses its API."""

    def __init__(self):
        super().__init__("localhost")
        self.path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        self.request(method, "/v1.41" + path, json.dumps(body) if body else None, headers)
        reply = self.getresponse()
        text = reply.read()
        if reply.status >= 400:
            sys.exit(f"{method} {path}: {reply.status} {text.decode()}")
        return json.loads(text) if text else None


def floor():
    """Create, start, wait, remove: what any runner must ask of the engine for one command."""
    engine = Engine()
    made = engine.call("POST", "/containers/create", {"Image": IMAGE, "Cmd": ["true"]})
    engine.call("POST", f"/containers/{made['Id']}/start")
    engine.call("POST", f"/containers/{made['Id']}/wait")
    engine.call("DELETE", f"/containers/{made['Id']}?v=1")
    engine.close()


def docker(*words, image=IMAGE, **kwargs):
    subprocess.run(["docker", "run", "--rm", image, *words], check=True, **{**QUIET, **kwargs})


def sluice(folder, *words, image=IMAGE, **kwargs):
    """One run. Its state directory is made anew, so that nothing is warm but the engine."""
    state = folder / "state"
    command = [SLUICE, "--state-dir", str(state), "run", "--format", "plain", "--image", image, *words]
    started = subprocess.Popen(command, cwd=folder, **{**QUIET, "stderr": subprocess.DEVNULL, **kwargs})
    _, status, usage = os.wait4(started.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)}: ended {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024


def timed(work):
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def of_runs():
    """The containers of runs that the engine has."""
    engine = Engine()
    found = engine.call("GET", "/containers/json?all=1&filters=" + urllib.parse.quote('{"label":["sluice.run"]}'))
    engine.close()
    return {container["Id"] for container in found}


def idle():
    """Waits until the engine has cleared away what it was left with: that is no other case's time."""
    while of_runs() - OTHERS:
        time.sleep(0.01)


def interleaved(rounds, cases, between=lambda: None):
    """Milliseconds of each case, the cases in turn; one round before that is not counted."""
    taken = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, work in cases.items():
            spent = timed(work)
            between()
            idle()
            if number > 0:
                taken[name].append(spent)
    return taken


def row(name, taken, ours, baseline, goal=None):
    mine, theirs = (statistics.median(taken[key]) for key in (ours, baseline))
    shown = [f"{statistics.median(taken[key]):.0f} [{min(taken[key]):.0f}–{max(taken[key]):.0f}]" for key in (ours, baseline)]
    verdict = "" if goal is None else f"≤ {goal} {'✓' if mine <= goal * theirs else '✗'}"
    print(f"| {name} | {baseline} | {shown[0]} | {shown[1]} | **{mine / theirs:.2f}** | {verdict} |", flush=True)


def workspace(name, files):
    folder = ROOT / name
    folder.mkdir(parents=True)
    for path, text in files.items():
        (folder / path).write_text(text)
    return folder


def buildspec(commands):
    return json.dumps({"version": 0.2, "phases": {"build": {"commands": commands}}})


def cold():
    folder = workspace("cold", {"buildspec.yml": buildspec(["true"])})
    cases = {"sluice": lambda: sluice(folder), "docker run": lambda: docker("true"), "API floor": floor}
    taken = interleaved(ROUNDS, cases, lambda: shutil.rmtree(folder / "state", ignore_errors=True))
    row("one command, cold", taken, "sluice", "docker run", 0.90)
    row("one command, cold", taken, "sluice", "API floor", 1.05)


def warm():
    """A build in a sandbox that waits for it, from its start until its result is known; the removal comes after."""
    program = os.environ.get("WARM")
    if not program:
        return
    folder = workspace("warm", {})
    engine = subprocess.Popen([program, IMAGE, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def until(answer):
        told = engine.stdout.readline().strip()
        if told != answer:
            sys.exit(f"{program}: {told or 'ended'}")

    def ask(answer):
        engine.stdin.write("\n")
        engine.stdin.flush()
        until(answer)

    # The engine is quiet when either begins: the next sandbox is ready, and the last one is removed.
    taken = {"sluice": [], "docker run": []}
    for _ in range(ROUNDS):
        ask("ready")
        taken["docker run"].append(timed(lambda: docker("true")))
        taken["sluice"].append(timed(lambda: ask("done")))
        until("removed")
    engine.stdin.close()
    engine.wait()
    row("one command, sandbox ready", taken, "sluice", "docker run", 0.15)


def ten():
    folder = workspace("ten", {"buildspec.yml": buildspec(["true"] * 10)})
    script = "; ".join(["true"] * 10)
    cases = {"sluice": lambda: sluice(folder), "one sh -c of ten": lambda: docker("sh", "-c", script)}
    taken = interleaved(ROUNDS, cases, lambda: shutil.rmtree(folder / "state", ignore_errors=True))
    row("ten commands", taken, "sluice", "one sh -c of ten", 1.05)


def twenty():
    actions = [{"name": f"a{n}", "build": {"image": IMAGE, "commands": ["sleep 0.2"]}} for n in range(20)]
    pipeline = {"version": 1, "name": "twenty", "stages": [{"name": "Build", "actions": actions}]}
    folder = workspace("twenty", {"pipeline.yml": json.dumps(pipeline)})
    four = f"seq 20 | xargs -P 4 -I_ docker run --rm {IMAGE} sleep 0.2"
    cases = {
        "sluice": lambda: sluice(folder, "--parallel", "4"),
        "docker run by four": lambda: subprocess.run(["sh", "-c", four], check=True, **QUIET),
    }
    taken = interleaved(max(3, ROUNDS // 2), cases, lambda: shutil.rmtree(folder / "state", ignore_errors=True))
    row("twenty builds, four at a time", taken, "sluice", "docker run by four", 1.0)


def log():
    """Output of the given size, shown, stored and masked; then looked at byte for byte. Two processes make it in the
    first case, and take both cores of a small machine for themselves; in the second one process prints a file."""
    line = "the quick brown fox jumps over the lazy dog, again and again, until the log is full\n"
    count = LOG_MIB * 1024 * 1024 // len(line)
    made = f"yes '{line.strip()}' | head -n {count}"
    printed("printed", IMAGE, made, line, count)
    image = f"sluice-bench/log:{LOG_MIB}"
    dockerfile = f"FROM {IMAGE}\nRUN mkdir /log && {made} > /log/full\n"
    build = ["docker", "build", "--quiet", "--tag", image, "-"]
    subprocess.run(build, input=dockerfile.encode(), check=True, stdout=subprocess.DEVNULL)
    try:
        printed("shown from a file", image, "cat /log/full", line, count)
    finally:
        subprocess.run(["docker", "image", "rm", "--force", image], check=True, stdout=subprocess.DEVNULL)


def printed(name, image, command, line, count):
    spec = {
        "version": 0.2,
        "env": {"parameter-store": {"TOKEN": "/bench/token"}},
        "phases": {"build": {"commands": [command]}},
    }
    secret = "/bench/token=never-printed-by-this-build\n"
    folder = workspace(name, {"buildspec.yml": json.dumps(spec), "secrets": secret})
    peaks, exact = [], []

    def ours():
        with open(ROOT / "shown", "wb") as shown:
            peaks.append(sluice(folder, "--secrets", str(folder / "secrets"), image=image, stdout=shown))

    def theirs():
        with open(ROOT / "baseline", "wb") as out:
            docker("sh", "-c", command, image=image, stdout=out)

    def between():
        logs = list(folder.glob("state/runs/*/logs/*.log"))
        exact.extend(bytes_of(path) == (count, digest(line, count)) for path in logs)
        shutil.rmtree(folder / "state", ignore_errors=True)

    taken = interleaved(min(ROUNDS, 3), {"sluice": ours, "docker run > file": theirs}, between)
    row(f"{LOG_MIB} MiB {name}", taken, "sluice", "docker run > file", 0.20)
    verdict = "byte-exact" if exact and all(exact) else "NOT BYTE-EXACT"
    print(f"| its peak memory | | {max(peaks):.0f} MiB | | | ≤ 64 MiB {'✓' if max(peaks) <= 64 else '✗'}, {verdict} |", flush=True)


def lines():
    """100,000 short lines, each written by itself and shown as it comes."""
    command = "n=0; while [ $n -lt 100000 ]; do echo line $n; n=$((n + 1)); done"
    folder = workspace("lines", {"buildspec.yml": buildspec([command])})

    def shown(work):
        with open(ROOT / "short", "wb") as out:
            work(out)

    cases = {
        "sluice": lambda: shown(lambda out: sluice(folder, stdout=out)),
        "docker run > file": lambda: shown(lambda out: docker("sh", "-c", command, stdout=out)),
    }
    taken = interleaved(max(3, ROUNDS // 2), cases, lambda: shutil.rmtree(folder / "state", ignore_errors=True))
    row("100,000 short lines", taken, "sluice", "docker run > file", 1.0)


def worker():
    """A worker with jobs of CodePipeline: what it costs while it waits, how soon a job's first command begins, and how
    many jobs that do nothing it gets through. The service and the buckets are on this machine too, and take their share."""
    program = os.environ.get("LOAD")
    if not program:
        return
    jobs, seats, folder = int(os.environ.get("JOBS", "200")), 4, workspace("worker", {})
    told = subprocess.run([program, IMAGE, str(jobs), str(seats), str(folder)], check=True, stdout=subprocess.PIPE)
    found = json.loads(told.stdout)
    runs = [timed(lambda: docker("true")) for _ in range(ROUNDS)]
    for kind in ("cold", "warm"):
        row(f"job to first command, {kind}", {"sluice": found[kind], "docker run": runs}, "sluice", "docker run")
    many = f"seq {jobs} | xargs -P {seats} -I_ docker run --rm {IMAGE} true"
    baseline = timed(lambda: subprocess.run(["sh", "-c", many], check=True, **QUIET))
    busy, idle = found["busy"], found["idle"]
    taken = {"sluice": [busy["seconds"] * 1000], "docker run by four": [baseline]}
    row(f"{jobs} jobs, four at a time", taken, "sluice", "docker run by four")
    print(f"| its own processor time and peak memory | | {busy['cpu_ms_per_job']:.1f} ms a job, {busy['peak_mib']:.0f} MiB | | | |")
    verdict = "✓" if idle["memory_mib"] <= 30 else "✗"
    own = f"{idle['own_mib']:.1f} of them not the program's own file"
    told = f"{idle['cpu_ms_per_second']:.1f} ms a second, {idle['memory_mib']:.1f} MiB, {own}"
    print(f"| an idle worker | | {told} | | | ≤ 30 MiB {verdict} |", flush=True)


def digest(line, count):
    hashed = hashlib.sha256()
    block = line.encode() * 4096
    for _ in range(count // 4096):
        hashed.update(block)
    hashed.update(line.encode() * (count % 4096))
    return hashed.hexdigest()


def bytes_of(path):
    """Lines and digest of what the build printed, without the lines that CodeBuild writes around it."""
    hashed, lines = hashlib.sha256(), 0
    with open(path, "rb") as text:
        for line in text:
            if not line.startswith(b"[Container] "):
                hashed.update(line)
                lines += 1
    return lines, hashed.hexdigest()


def validate():
    actions = [{"name": f"a{n}", "build": {"image": IMAGE, "commands": [f"echo {n}"]}} for n in range(1000)]
    stages = [{"name": f"S{n}", "actions": actions[n * 50 : n * 50 + 50]} for n in range(20)]
    text = json.dumps({"version": 1, "name": "thousand", "stages": stages}, indent=1)
    folder = workspace("validate", {"pipeline.yml": text})
    check = lambda: subprocess.run([SLUICE, "validate", "pipeline.yml"], cwd=folder, check=True, **QUIET)
    taken = interleaved(ROUNDS, {"validate": check})["validate"]
    alone("validate a pipeline of 1,000 actions", taken, 50)


def version():
    taken = interleaved(ROUNDS, {"version": lambda: subprocess.run([SLUICE, "--version"], check=True, **QUIET)})["version"]
    alone("--version", taken, 10)


def alone(name, taken, goal):
    middle = statistics.median(taken)
    print(f"| {name} | | {middle:.1f} [{min(taken):.1f}–{max(taken):.1f}] | | | ≤ {goal} ms {'✓' if middle <= goal else '✗'} |", flush=True)


CASES = [cold, warm, ten, twenty, log, lines, worker, validate, version]

if __name__ == "__main__":
    chosen = [case for case in CASES if not sys.argv[1:] or case.__name__ in sys.argv[1:]]
    if chosen:
        # Containers that somebody else has, or that an earlier process left, are not waited for.
        OTHERS = of_runs()
        # Not in /tmp: that may lie in memory, and a log of a gigabyte belongs on a disk.
        ROOT = pathlib.Path(tempfile.mkdtemp(prefix="bench.", dir=os.environ["BENCH_DIR"]))
        print("\n| case | baseline | Sluice, ms | baseline, ms | ratio | goal |\n|---|---|---|---|---|---|", flush=True)
        try:
            for case in chosen:
                case()
        finally:
            shutil.rmtree(ROOT, ignore_errors=True)
