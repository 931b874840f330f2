"""Claimed work: messages that become Jobs in local mode, and what it costs to hold many claims for long.

Held claims are looked at without pods: the embedded API alone in a process of its own, our operator in this
one, and a broker behind a proxy that counts. The trigger is not polled in that time, so all that is sent is
of claims.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.figures import Figure, between, goal, must
from bench.load import NOTHING
from bench.servers import Up, api_server
from tidegate.auth.resolve import Options
from tidegate.connections.adapter import Surroundings
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.resource import JOBS, SCALED_JOBS
from tidegate.operator.operator import Operator, Stance
from tidegate.operator.scaledjob.claims.claiming import EVERYWHERE
from tidegate.runtime.clock import SystemClock

MESSAGES = 200
AT_ONCE = 50
CLAIMS = 1_000
LEASE_S = 30
WINDOW_S = 30.0
PATIENCE_S = 120.0
HELD = ("redis", "rabbitmq", "postgresql", "nats-jetstream")
"""The sources whose held claims are measured."""

TURNS = 4
"""Turns of one exchange that renews all claims, at most."""

# The servers of the tests are those of the benchmark.
sys.path.append(str(Path(__file__).parent.parent / "tests"))


def jobs(folder: Path, messages: int = MESSAGES) -> list[Figure]:
    """Messages that are put into a Redis list at once, for a ScaledJob that is there."""
    from parts.claim_sources import SOURCES
    from parts.claim_triggers import TRIGGERS

    with SOURCES["redis"]() as source:
        trigger = TRIGGERS["redis"](source, f"127.0.0.1:{source.port}")
        pod = {"containers": [{"name": "worker", "image": "busybox", "command": ["true"]}]}
        wanted = trigger.scaled_job("claimed", pod, pollingInterval=1, maxReplicaCount=AT_ONCE)
        up = Up(folder / "state")
        try:
            found = asyncio.run(_jobs(up, wanted, source, messages))
        finally:
            up.stop()
    return jobs_figures(messages, found)


async def _jobs(up: Up, wanted: Any, source: Any, messages: int) -> dict[str, float]:
    client, names, opened = Client(load(up.kubeconfig)), set[str](), asyncio.Event()

    async def follow() -> None:
        async for event in client.watch(JOBS, "default", on_open=opened.set):
            if event.type == "ADDED":
                names.add(msgspec.json.decode(event.raw)["metadata"]["name"])

    following = asyncio.create_task(follow())
    try:
        await opened.wait()
        await client.create(SCALED_JOBS, "default", wanted)
        # The first one also pays for the object's own arrival.
        await asyncio.to_thread(source.push, b"first")
        await _until(lambda: len(names) == 1 and _is_empty(source), "the first one")
        began_s = time.monotonic()
        await asyncio.to_thread(source.push, *(b"%d" % number for number in range(messages)))
        await _until(lambda: len(names) > messages, f"{messages} Jobs")
        created_s = time.monotonic() - began_s
        await _until(lambda: _is_empty(source), "every acknowledgement")
        done_s = time.monotonic() - began_s
        # One too many would come with the next poll.
        await asyncio.sleep(1.5)
    finally:
        following.cancel()
        await asyncio.wait([following])
        await client.close()
    return {"jobs": len(names) - 1, "created_s": created_s, "done_s": done_s, "dead": len(source.dead())}


def _is_empty(source: Any) -> bool:
    """Nothing waits, then: nothing is held."""
    call = source.server.call
    return bool(call("LLEN", "jobs") == 0 and call("HLEN", "{jobs}:tidegate:bodies") == 0)


def jobs_figures(messages: int, found: Mapping[str, float]) -> list[Figure]:
    part = f"{messages:,} messages of a Redis list as claimed Jobs, at most {AT_ONCE} at a time, local mode"

    def row(name: str, value: float, unit: str, means: str, limit: Any = None) -> Figure:
        return Figure(part, name, value, unit, means, limit)

    rate = goal(">=", 10)
    return [
        row("Jobs", found["jobs"], "", "created, one for each message", must("=", messages)),
        row("dead letters", found["dead"], "", "messages that were put aside", must("=", 0)),
        row("Jobs per second", messages / found["created_s"], "/s", "first push → a watch shows the last Job",
            rate),
        row("acknowledged per second", messages / found["done_s"], "/s",
            "first push → nothing is left beside the list: each process has run, and was told", rate),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    claims: int
    lease_s: int
    window_s: float


def held(
    folder: Path, name: str, claims: int = CLAIMS, window_s: float = WINDOW_S, lease_s: int = LEASE_S
) -> list[Figure]:
    """So many claims of one source, whose Jobs do not end."""
    from parts.claim_sources import SOURCES

    with SOURCES[name]() as source, api_server(folder, 0, NOTHING) as kubeconfig:
        source.empty()
        source.push(*(b"%d" % number for number in range(claims)))
        found = asyncio.run(_held(Path(kubeconfig), name, source, Size(claims, lease_s, window_s)))
    return held_figures(name, Size(claims, lease_s, window_s), found)


async def _held(kubeconfig: Path, name: str, source: Any, size: Size) -> dict[str, float]:
    from parts.claim_triggers import TRIGGERS
    from parts.proxy import Proxy

    client = Client(load(kubeconfig))
    operator = Operator(
        client,
        SystemClock(),
        Surroundings(),
        Options(cluster_namespace="default"),
        stance=Stance(claims=EVERYWHERE),
    )
    async with Proxy(source.port).running() as proxy:
        trigger = TRIGGERS[name](source, proxy.address)
        pod = {"containers": [{"name": "worker", "image": "busybox", "command": ["sleep", "3600"]}]}
        lease = {"tidegate.dev/claim-lease": str(size.lease_s)}
        await client.create(
            SCALED_JOBS,
            "default",
            trigger.scaled_job(
                "claimed", pod, annotations=lease, pollingInterval=3600, maxReplicaCount=size.claims
            ),
        )
        running = asyncio.create_task(operator.run())
        try:
            began_s = time.monotonic()
            await _until(lambda: _started(operator) == size.claims, f"{size.claims} Jobs")
            started_s = time.monotonic() - began_s
            (tracked,) = operator.steps.tracker.by_uid.values()
            counts = tracked.claims.counts  # type: ignore[union-attr]
            before = (counts["renewed"], proxy.turns, time.process_time(), time.monotonic())
            await asyncio.sleep(size.window_s)
            after = (counts["renewed"], proxy.turns, time.process_time(), time.monotonic())
            still = len(tracked.claims.memory.held)  # type: ignore[union-attr]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.close()
    renewed, turns, cpu_s, length_s = (two - one for one, two in zip(before, after, strict=True))
    return {
        "held": still,
        "lost": counts["lost"],
        "failed": counts["failed"],
        "started_s": started_s,
        "renewed": renewed,
        "turns": turns,
        "connections": proxy.connections,
        "cpu_s": cpu_s,
        "window_s": length_s,
    }


def _started(operator: Operator) -> int:
    """Jobs of claims, as the operator sees them once it works."""
    if not any(one.claims is not None for one in operator.steps.tracker.by_uid.values()):
        return 0
    return len(operator.informers.labelled(JOBS, "default", ("scaledjob.keda.sh/name", "claimed")))


def held_figures(name: str, size: Size, found: Mapping[str, float]) -> list[Figure]:
    """The rows for what was `found`. A third of a lease is the time between two renewals."""
    claims = size.claims
    part = f"{claims:,} claims of `{name}` held, leases of {size.lease_s} s"
    minute = 60 / found["window_s"]
    rounds = found["window_s"] / (size.lease_s / 3)

    def row(title: str, value: float, unit: str, means: str, limit: Any = None) -> Figure:
        return Figure(part, title, value, unit, means, limit)

    # One round more or less falls into the window; each is one exchange of a few turns at most.
    renewals = between(claims * max(0, int(rounds) - 1), claims * (int(rounds) + 2))
    turns = between(0, (int(rounds) + 2) * TURNS)
    return [
        row("claims", found["held"], "", "held at the end", must("=", claims)),
        row("lost or failed", found["lost"] + found["failed"], "", "claims, and commands",
            must("=", 0)),
        row("renewals", found["renewed"], "", f"in {found['window_s']:.1f} s", renewals),
        row("renewals per minute", found["renewed"] * minute, "/min", "the same"),
        row("round trips", found["turns"], "", "to the broker in that time, the trigger not polled", turns),
        row("requests per minute", found["turns"] * minute, "/min", "the same"),
        row("connections", found["connections"], "", "since the start, those of the trigger among them",
            must("<=", 3)),
        row("Jobs per second", claims / found["started_s"], "/s", "from the operator's start, no pods",
            goal(">=", 50)),
        row("CPU", found["cpu_s"] * minute, "s/min", "processor time of operator and proxy while held",
            goal("<", 3)),
    ]  # fmt: skip


async def _until(is_so: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"not within {PATIENCE_S:g} s: {what}")
        await asyncio.sleep(0.02)
