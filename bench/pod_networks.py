"""What a network of its own costs a pod: how soon it starts, many at rest, and the way through a Service.

All of it runs in a network namespace of the benchmark's own, hence as root: nothing of the machine's network
is touched. Inside, `python -m bench.pod_networks FOLDER PODS WINDOW` prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench import pod_traffic
from bench.figures import Figure, must, quantile
from bench.machine import rss_mb
from bench.servers import Up, end
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.kube.resource import PODS, SERVICES
from tidegate.local.nodes.processes.process import ROLE_VARIABLE, UID_VARIABLE, marked

MANY, AT_ONCE = 300, 20
KINDS = ("shared", "own")
PATIENCE_S, SETTLED_S, LEAVE_S = 300.0, 3.0, 30
PART, TRAFFIC = "Pods", "Pod to pod"
PROGRAM = ("python3", "-c", Path(pod_traffic.__file__).read_text())
ENTER = 'ip link set lo up && exec "$@"'


def measure(folder: Path, pods: int, window_s: float) -> list[Figure]:
    """The figures of a run in a network namespace of its own; none where nobody could make one."""
    lacking = [name for name in ("unshare", "ip", "nft") if shutil.which(name) is None]
    if os.geteuid() != 0 or lacking:
        print(f"left out, needs root and unshare, ip, nft: {PART} with own networks", file=sys.stderr)
        return []
    inside = [sys.executable, "-m", "bench.pod_networks", str(folder), str(pods), str(window_s)]
    process = subprocess.Popen(
        ["unshare", "-n", "-m", "sh", "-c", ENTER, "sh", *inside], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        text = process.stdout.read()
        if process.wait() != 0:
            raise SystemExit(f"the pods' measurement ended with code {process.returncode}")
    finally:
        end(process)
    return msgspec.json.decode(text, type=list[Figure])


class Seen:
    """The pods of namespace default as a watch shows them, and when each was first seen to run."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.running_s: dict[str, float] = {}
        self.addresses: dict[str, str] = {}
        self.gone: set[str] = set()
        self._is_changed = asyncio.Event()

    async def follow(self, client: Client, opened: asyncio.Event) -> None:
        async for event in client.watch(PODS, "default", on_open=opened.set):
            now_s = time.monotonic()
            pod = msgspec.json.decode(event.raw)
            name = pod["metadata"].get("name", "")
            if event.type == "DELETED":
                self.pods.pop(name, None)
                self.gone.add(name)
            elif event.type != "BOOKMARK":
                self.pods[name] = pod
                if pod["status"].get("phase") == "Running" and name not in self.running_s:
                    self.running_s[name] = now_s
                    self.addresses[name] = pod["status"]["podIP"]
            self._is_changed.set()

    async def until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():
                self._is_changed.clear()
                await self._is_changed.wait()


@asynccontextmanager
async def watched(kubeconfig: Path) -> AsyncIterator[tuple[Client, Seen]]:
    client, seen, opened = Client(config.load(kubeconfig)), Seen(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(seen.follow(client, opened))
        try:
            await opened.wait()
            yield client, seen
        finally:
            watch.cancel()
            await client.close()


def pod(name: str, *command: str, **more: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "python", "command": list(command)}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 5, **more}
    metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


async def started(client: Client, seen: Seen, name: str) -> float:
    """Seconds from the request to the watch's news that it runs."""
    began_s = time.monotonic()
    await client.create(PODS, "default", pod(name, "sleep", "3600"))
    await seen.until(lambda: name in seen.running_s)
    return seen.running_s[name] - began_s


async def all_started(client: Client, seen: Seen, names: Sequence[str]) -> list[float]:
    began_s = dict.fromkeys(names, 0.0)

    async def create(name: str) -> None:
        began_s[name] = time.monotonic()
        await client.create(PODS, "default", pod(name, "sleep", "3600"))

    await asyncio.gather(*map(create, names))
    await seen.until(lambda: set(names) <= set(seen.running_s))
    return [seen.running_s[name] - began_s[name] for name in names]


async def all_deleted(client: Client, seen: Seen, names: Sequence[str]) -> None:
    await asyncio.gather(*(client.delete(PODS, "default", name) for name in names))
    await seen.until(lambda: set(names) <= seen.gone)


async def starts(kubeconfig: Path, kind: str, rounds: int) -> list[Figure]:
    one_s: list[float] = []
    at_once_s: list[float] = []
    async with watched(kubeconfig) as (client, seen):
        for turn in range(rounds):
            names = [f"one-{turn}-{number}" for number in range(AT_ONCE)]
            one_s += [await started(client, seen, name) for name in names]
            await all_deleted(client, seen, names)
            names = [f"once-{turn}-{number}" for number in range(AT_ONCE)]
            at_once_s += await all_started(client, seen, names)
            await all_deleted(client, seen, names)
    figures = []
    for words, taken in (("one after the other", one_s), (f"{AT_ONCE} at once", at_once_s)):
        means = f"POST of a pod → a watch shows phase Running; {len(taken)} pods, {AT_ONCE} there at most"
        for share in (0.5, 0.99):
            title = f"start, {kind} network, {words}, p{share * 100:.0f}"
            figures.append(Figure(PART, title, quantile(taken, share) * 1e3, "ms", means))
    return figures


@dataclass(frozen=True, slots=True)
class Processes:
    """Those of one `tidegate up`: the control plane, and its router's with the egress tool."""

    plane: int
    node_id: str

    def router(self) -> list[int]:
        return [pid for pid, marks in marked(self.node_id) if marks.get(ROLE_VARIABLE) == "router"]

    def of_pods(self) -> list[int]:
        return [pid for pid, marks in marked(self.node_id) if UID_VARIABLE in marks]


def links(router: Sequence[int]) -> int:
    """How many network links the router's own namespace has."""
    own = os.readlink("/proc/self/ns/net")
    inner = next(pid for pid in router if os.readlink(f"/proc/{pid}/ns/net") != own)
    command = ["nsenter", "-t", str(inner), "-n", "ip", "-o", "link"]
    return len(subprocess.run(command, capture_output=True, check=True).stdout.splitlines())


def cpu_s(pids: Sequence[int]) -> float:
    """Seconds of processor that they have used so far."""
    used = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
    return sum(int(ticks) for pair in used for ticks in pair) / os.sysconf("SC_CLK_TCK")


async def many(up: Up, node_id: str, pods: int, window_s: float) -> dict[str, float]:
    processes = Processes(up.process.pid, node_id)
    plane, router = [processes.plane], processes.router()
    names = [f"pod-{number}" for number in range(pods)]
    async with watched(up.kubeconfig) as (client, seen):
        before = links(router)
        began_s = time.monotonic()
        await all_started(client, seen, names)
        found = {"all_run_s": max(seen.running_s.values()) - began_s}
        await asyncio.sleep(SETTLED_S)
        found |= {"plane_mb": rss_mb(plane[0]), "router_mb": sum(map(rss_mb, router))}
        used_s = cpu_s(plane), cpu_s(router)
        await asyncio.sleep(window_s)
        for name, pids, former_s in zip(("plane", "router"), (plane, router), used_s, strict=True):
            found[f"{name}_cpu_s"] = (cpu_s(pids) - former_s) * 60 / window_s
        found["running"] = sum(one["status"]["phase"] == "Running" for one in seen.pods.values())
        found["addresses"] = len(set(seen.addresses.values()))
        began_s = time.monotonic()
        await all_deleted(client, seen, names)
        found["all_gone_s"] = time.monotonic() - began_s
        found["gone"] = len(seen.gone) - len(seen.pods)
        # The router hears of a pod's end after the watch has told it.
        for _ in range(LEAVE_S):
            if links(router) == before and not processes.of_pods():
                break
            await asyncio.sleep(1)
        found["links_left"] = links(router) - before
        found["processes_left"] = len(processes.of_pods())
    return found


def many_figures(pods: int, window_s: float, found: Mapping[str, float]) -> list[Figure]:
    window = f"in {window_s:g} s at rest, per minute"
    rows = (
        ("running", "pods that run", "", "phase Running after the window", must("=", pods)),
        ("addresses", "different addresses of them", "", "distinct status.podIP", must("=", pods)),
        ("all_run_s", "until all run", "s", "first POST → a watch shows the last Running", None),
        ("plane_mb", "RSS of `tidegate up`", "MB", f"{SETTLED_S:g} s after that", None),
        ("router_mb", "RSS of the router", "MB", "sum of its processes, shared pages in each", None),
        ("plane_cpu_s", "cpu of `tidegate up`", "s", window, None),
        ("router_cpu_s", "cpu of the router", "s", window, None),
        ("all_gone_s", "until all are gone", "s", "first DELETE → a watch shows the last DELETED", None),
        ("gone", "pods gone after deletion", "", "DELETED seen, less pods still there", must("=", pods)),
        ("processes_left", "processes left", "", f"of pods, {LEAVE_S} s later at most", must("=", 0)),
        ("links_left", "network links left", "", "of the router, over before; the same", must("=", 0)),
    )
    return [
        Figure(PART, f"{pods} pods of own networks: {name}", found[key], unit, means, limit)
        for key, name, unit, means, limit in rows
    ]


async def traffic(kubeconfig: Path, turns: int) -> list[Figure]:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": pod_traffic.PORT}]},
    }
    trips = 1_000
    async with watched(kubeconfig) as (client, seen):
        made = await client.create(SERVICES, "default", service)
        await client.create(PODS, "default", pod("server", *PROGRAM, "serve"))
        await seen.until(lambda: "server" in seen.running_s)
        hosts = {"address": seen.addresses["server"], "Service": made["spec"]["clusterIP"]}
        words = ["ask", str(turns), "1", str(trips), *hosts.values()]
        await client.create(PODS, "default", pod("client", *PROGRAM, *words, restartPolicy="Never"))
        await seen.until(lambda: ended(seen.pods.get("client", {})) is not None)
        end_state = ended(seen.pods["client"]) or {}
        if end_state.get("exitCode") != 0:
            raise SystemExit(f"the pod that asks failed: {end_state}")
        found = msgspec.json.decode(end_state["message"])
        await all_deleted(client, seen, ["client", "server"])
    return [one for by, host in hosts.items() for one in traffic_figures(by, turns, trips, found[host])]


def ended(found: Mapping[str, Any]) -> dict[str, Any] | None:
    states = found.get("status", {}).get("containerStatuses") or [{}]
    state: dict[str, Any] | None = states[0].get("state", {}).get("terminated")
    return state


def traffic_figures(by: str, turns: int, trips: int, found: Mapping[str, float]) -> list[Figure]:
    all_trips = turns * trips
    # With one in each turn at least: where none is made, none is left unanswered.
    made = max(found["made"], turns)
    rows = (
        ("throughput", found["bytes_s"] / 1e6, "MB/s", f"one TCP stream, 1 s; median of {turns}", None),
        ("streams whole", found["whole"], "", "counted at the end = sent", must("=", turns)),
        ("round trip, p50", found["trip_p50_s"] * 1e6, "µs", f"1 byte and back, {all_trips:,} times", None),
        ("round trip, p99", found["trip_p99_s"] * 1e6, "µs", "the same", None),
        ("round trips", found["trips"], "", "answered with what was sent", must("=", all_trips)),
        (
            "connections",
            found["made"] / turns,
            "1/s",
            "dial, 1 byte and back, close; one after the other",
            None,
        ),
        ("connections answered", found["answered"], "", "all of these", must("=", made)),
    )
    return [Figure(TRAFFIC, f"by {by}: {name}", value, unit, *rest) for name, value, unit, *rest in rows]


def inside(folder: Path, pods: int, window_s: float) -> list[Figure]:
    figures: list[Figure] = []
    rounds = max(1, pods // (3 * AT_ONCE))

    def run(title: str, kind: str, work: Callable[[Up, str], Coroutine[Any, Any, list[Figure]]]) -> None:
        print(f"measuring {title}, {kind} network …", file=sys.stderr, flush=True)
        up = Up(folder / f"own-{len(figures)}", "--pod-network", kind)
        try:
            node_id = (up.kubeconfig.parent / "node" / "node-id").read_text().strip()
            figures.extend(asyncio.run(work(up, node_id)))
        finally:
            up.stop()

    async def weighed(up: Up, node_id: str) -> list[Figure]:
        return many_figures(pods, window_s, await many(up, node_id, pods, window_s))

    for kind in KINDS:
        run("pods' starts", kind, lambda up, _, kind=kind: starts(up.kubeconfig, kind, rounds))  # type: ignore[misc]
    run(f"{pods} pods", "own", weighed)
    run("pod to pod", "own", lambda up, _: traffic(up.kubeconfig, 2 * rounds + 1))
    return figures


if __name__ == "__main__":
    # Who is stopped stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    measured = inside(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    sys.stdout.buffer.write(msgspec.json.encode(measured))
