"""The example of ordinary manifests: replicas on one port, a rolling update that nobody notices.

For root and for an ordinary user, each on a machine of the test's own, with a network for each pod.
TIDEGATE_SEED repeats a run of kills.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parts.machine_namespace import Machine, machine
from parts.up import ROOT, Up, needs_kubectl, needs_redis
from tidegate.local.nodes.processes.process import marked

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("web-and-worker")]

EXAMPLE = ROOT / "examples" / "web-and-worker"
WANTED = {"web": 3, "web-worker": 3, "web-redis": 1}
SEED = int(os.environ.get("TIDEGATE_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
# A page as a line of its own, or what went wrong.
GET = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode().strip())
except OSError as error:
    print("no answer:", error)
"""
# Asks anew for each request and on one kept connection, until it is told to end; then says what failed.
ASKER = """
import http.client, json, signal, time, urllib.request
ends, failed, versions, asked = [], [], {"new": set(), "kept": set()}, 0
signal.signal(signal.SIGTERM, lambda *_: ends.append(1))
kept = http.client.HTTPConnection("web", 8080, timeout=10)
def again():
    kept.request("GET", "/")
    return kept.getresponse().read()
def anew():
    return urllib.request.urlopen("http://web:8080", timeout=10).read()
while not ends:
    for how, ask in (("new", anew), ("kept", again)):
        asked += 1
        try:
            versions[how].add(json.loads(ask())["version"])
        except Exception as error:
            kept.close()
            failed.append(f"{how}: {error!r}")
    time.sleep(0.02)
    told = {"asked": asked, "failed": failed, "versions": {how: sorted(one) for how, one in versions.items()}}
    print(json.dumps(told), flush=True)
"""
# Sends jobs on one connection, each until it is taken; says which were, and each connection it had to make.
SENDER = """
import http.client, time
def connected():
    made = http.client.HTTPConnection("web", 8080, timeout=10)
    made.connect()
    print("connected", flush=True)
    return made
connection = None
for number in range(1000000):
    while True:
        try:
            connection = connection or connected()
            connection.request("POST", f"/jobs/sent-{number}")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                break
            if answer.will_close:
                connection = None
        except (OSError, http.client.HTTPException):
            connection = None
        time.sleep(0.2)
    print(f"sent-{number}", flush=True)
    time.sleep(0.15)
"""


@pytest.fixture(params=["root", "ordinary user"])
def host(request: pytest.FixtureRequest) -> Iterator[Machine]:
    needs_kubectl()
    needs_redis()
    with machine(request.param == "root") as made:
        yield made


@pytest.fixture
def up(host: Machine) -> Iterator[Up]:
    server = host.up("--pod-network", "own")
    server.start()
    try:
        server.kubectl("apply", "-f", str(EXAMPLE))
        for name in WANTED:
            server.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
        yield server
    finally:
        server.end()


def run_pod(up: Up, name: str, program: str) -> None:
    container = {"name": "c", "image": "python:3.12-slim", "command": ["python3", "-c", program]}
    spec = {"terminationGracePeriodSeconds": 3, "containers": [container]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    up.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def pods(up: Up, app: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = up.get("pods", "-l", f"app={app}")["items"]
    return [one for one in found if not one["metadata"].get("deletionTimestamp")]


def get(up: Up, pod: str, url: str) -> str:
    return up.kubectl("exec", pod, "--", "python3", "-c", GET, url).strip()


def job(up: Up, load: str, done: str) -> str:
    """Creates a Job of the example's `load`, waits for its end; what it said."""
    name = up.kubectl("create", "-f", str(EXAMPLE / "load" / load), "-o", "name").strip()
    up.kubectl("wait", f"--for=condition={done}", name, "--timeout=90s")
    return up.kubectl("logs", name)


def redis(up: Up, *words: str) -> list[str]:
    return up.kubectl("exec", "deployment/web-redis", "--", "redis-cli", *words).splitlines()


def done_jobs(up: Up) -> dict[str, int]:
    """Each job that is done, and how often."""
    # Nothing at all is one empty line.
    lines = [line for line in redis(up, "HGETALL", "jobs:done") if line]
    return dict(zip(lines[::2], map(int, lines[1::2]), strict=True))


def test_the_example_as_it_stands(up: Up) -> None:
    rows = up.kubectl("get", "pods", "-o", "wide").splitlines()
    place = rows[0].index("IP ")
    addresses = {row[place:].split()[0] for row in rows[1:]}
    assert len(addresses) == len(rows) - 1 == sum(WANTED.values())

    answered = {line.split()[0] for line in job(up, "ask-web.yaml", "complete").splitlines()}
    webs = {one["metadata"]["name"] for one in pods(up, "web")}
    assert answered == webs

    # 127.0.0.1 is the pod's own.
    worker = pods(up, "web-worker")[0]["metadata"]["name"]
    for name in webs:
        told = json.loads(get(up, name, "http://127.0.0.1:8080/"))
        assert (told["pod"], told["labels"]["app"]) == (name, "web")
    assert f'pod="{worker}"' in get(up, worker, "http://127.0.0.1:9100/metrics")
    assert "refused" in get(up, worker, "http://127.0.0.1:8080/")

    assert job(up, "sixty-jobs.yaml", "complete") == "sent 60 jobs\n"
    up.until("all are done", lambda: len(done_jobs(up)) == 60)
    assert set(done_jobs(up).values()) == {1}
    told = {get(up, worker, "http://web-worker:9100/metrics") for _ in range(12)}
    assert len({line for page in told for line in page.splitlines() if line.startswith("jobs_done")}) == 3

    up.kubectl("scale", "deployment/web", "--replicas=5")
    up.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert len({one["status"]["podIP"] for one in pods(up, "web")}) == 5

    up.kubectl("delete", "-f", str(EXAMPLE), "--timeout=90s")
    up.kubectl("delete", "jobs", "--all")
    up.until("no pod is left", lambda: up.get("pods")["items"] == [])
    assert up.processes() == {}


def test_nobody_notices_a_rolling_update(up: Up) -> None:
    run_pod(up, "asker", ASKER)

    def told() -> Any:
        lines = up.kubectl("logs", "asker", "--tail=1", check=False)
        return json.loads(lines) if lines.startswith("{") else {"asked": 0}

    up.until("it asks", lambda: told()["asked"] > 20)
    up.kubectl("set", "env", "deployment/web", "VERSION=2")
    up.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    up.until("the old ones are gone", lambda: len(up.get("pods", "-l", "app=web")["items"]) == 3)
    up.kubectl("scale", "deployment/web", "--replicas=1")
    up.until("one is left", lambda: len(up.get("pods", "-l", "app=web")["items"]) == 1)
    asked = told()["asked"]
    up.until("it asks on", lambda: told()["asked"] > asked + 20)
    assert told()["failed"] == []
    assert told()["versions"] == {"new": ["1", "2"], "kept": ["1", "2"]}


def test_kills_at_any_moment_lose_double_and_orphan_nothing(up: Up) -> None:
    chance = random.Random(SEED)
    print(f"TIDEGATE_SEED={SEED}")
    run_pod(up, "sender", SENDER)

    def sent() -> list[str]:
        return up.kubectl("logs", "sender", check=False).split()

    up.until("it sends", lambda: "sent-3" in sent())
    for _ in range(3):
        time.sleep(chance.uniform(0, 1.5))
        up.kill()
        time.sleep(chance.uniform(0, 1.5))
        up.start()
    count = len(sent())
    up.until("it sends on", lambda: len(sent()) > count + 5)
    assert sent().count("connected") == 1, "a connection through a Service was cut"

    sender = up.get("pod", "sender")["metadata"]["uid"]
    for _ in range(6):
        time.sleep(chance.uniform(0, 2))
        is_server = chance.random() < 0.3
        if is_server:
            up.kill()
        victims = sorted(pid for pid, uid in up.processes().items() if uid != sender)
        _kill(chance.choice(victims))
        if is_server:
            time.sleep(chance.uniform(0, 1))
            up.start()
    for name in WANTED:
        up.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
    count = len(sent())
    up.until("it sends on", lambda: len(sent()) > count + 5)
    assert up.get("pod", "sender")["status"]["containerStatuses"][0]["restartCount"] == 0
    up.kubectl("delete", "pod", "sender")
    names = set(redis(up, "SMEMBERS", "jobs:known"))
    up.until("every job is done", lambda: set(done_jobs(up)) == names)
    assert set(done_jobs(up).values()) == {1}
    assert len(names) > count - sent().count("connected")
    up.until("as many run as wanted", lambda: _is_whole(up), 120)


def _is_whole(up: Up) -> bool:
    """As many pods as wanted, all ready, and no process that belongs to another."""
    found = up.get("pods")["items"]
    states = [state for one in found for state in one["status"].get("containerStatuses") or [{}]]
    counts = {name: len(pods(up, name)) for name in WANTED}
    uids = {one["metadata"]["uid"] for one in found}
    return (
        counts == WANTED
        and all(one.get("ready") for one in states)
        and len(found) == sum(WANTED.values())
        and set(up.processes().values()) == uids
    )


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        """It ended by itself."""


def test_after_stop_and_removal_no_trace_is_left(host: Machine) -> None:
    before = host.traces()
    up = host.up("--pod-network", "own")
    up.start()
    try:
        up.kubectl("apply", "-f", str(EXAMPLE))
        for name in WANTED:
            up.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
        node_id = (up.folder / "node" / "node-id").read_text().strip()
        pids = [*(pid for pid, _ in marked(node_id))]
        assert len(pids) > sum(WANTED.values())
        outside = _namespaces([os.getpid(), host.pid])
        spaces = _namespaces(pids) - outside
        assert len({one for one in spaces if one.startswith("net:")}) >= sum(WANTED.values())
        # Numbers of namespaces are given again: one of them may be that of what begins later.
        present = set(Path("/proc").glob("[0-9]*"))
        assert up.stop() == 0
    finally:
        up.end()
    shutil.rmtree(up.folder)
    assert list(marked(node_id)) == []
    assert _users(present, spaces, str(up.folder)) == []
    assert host.traces() == before


def _namespaces(pids: list[int]) -> set[str]:
    return {found for pid in pids for found in _links(Path(f"/proc/{pid}/ns"))}


def _users(present: set[Path], spaces: set[str], folder: str) -> list[str]:
    """Processes that are in one of these namespaces, hold one open or mounted, or run on this folder.

    Of the namespaces only those are asked that were there before.
    """
    return [
        f"{process.name} {_text(process / 'cmdline')}"
        for process in Path("/proc").glob("[0-9]*")
        if (process in present and spaces & {*_links(process / "ns"), *_links(process / "fd")})
        or (process in present and any(space in _text(process / "mountinfo") for space in spaces))
        or any(folder in _text(process / file) for file in ("mountinfo", "cmdline"))
    ]


def _links(folder: Path) -> list[str]:
    try:
        return [os.readlink(one) for one in folder.iterdir()]
    except OSError:
        return []  # it has ended


def _text(file: Path) -> str:
    try:
        return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
