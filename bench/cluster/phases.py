"""What is measured, one phase after the other, on the objects that the phases before have left."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from bench.cluster.bed import Bed, Ours, pid_of
from bench.cluster.seen import Deed, Watched, Window
from bench.cluster.workloads import Cluster, Follower, is_ready
from bench.figures import Figure, Limit, goal, must, quantile
from parts.installed import Program
from parts.loopback import free_port
from tidegate.kube.resource import DEPLOYMENTS, SCALED_OBJECTS

WINDOW_S = 60.0
# Longer than Kubernetes leaves an HPA alone: what it writes into a status comes before the next phase.
SETTLING_S = 20.0
POLLING_S = 1
LOOK_S = 0.2
WRITES_EACH = 3
JOBS = 500
# HPAs that have asked once are answered from memory from then on.
HPAS_WARM_S = 45.0
BUCKET = re.compile(
    r'^tidegate_metrics_api_request_seconds_bucket\{le="([^"]+)"\} ([0-9.e+]+)$', re.MULTILINE
)


def names(count: int) -> list[str]:
    return [f"web-{number:05d}" for number in range(count)]


async def new_objects(bed: Bed, cluster: Cluster, count: int, part: str) -> list[Figure]:
    """Created as fast as the API server takes them, while the autoscaler runs."""
    await cluster.deployments(names(count))
    await asyncio.sleep(2)
    watched = Watched(bed.seen(), bed.queue, bed.audit)
    async with cluster.following(SCALED_OBJECTS) as follower:
        began_s = time.monotonic()
        await cluster.scaled_objects(names(count))
        created_s = time.monotonic() - began_s
        await follower.until(
            lambda: sum(map(is_ready, follower.latest.values())) >= count, f"{count} objects are ready"
        )
        ready_s = time.monotonic() - began_s
    found = watched.window()
    await asyncio.sleep(SETTLING_S)
    wanted = {1_000: goal("<", 8), 5_000: goal("<", 40)}.get(count)
    figures = [
        Figure(part, "new objects, created", created_s, "s", "the API server takes them, 24 at a time"),
        Figure(part, "new objects → all ready", ready_s, "s", "first creation → last Ready=True", wanted),
        *_cpu(part, "until all were ready", found),
    ]
    if bed.audit.is_kept:
        figures.append(writes_each(part, [*found.deeds, *bed.audit.news()], count))
    return figures


def writes_each(part: str, deeds: Sequence[Deed], count: int) -> Figure:
    """How many, with events and Leases left out."""
    writes = sum(one.is_write and one.is_of_objects for one in deeds)
    means = "finalizer, HPA and status (events left out)"
    return Figure(part, "writes for a new object", writes / count, "", means, must("<=", WRITES_EACH))


async def at_rest(bed: Bed, count: int, part: str, window_s: float) -> list[Figure]:
    """Nothing changes; each trigger is measured once a second."""
    watched = Watched(bed.seen(), bed.queue, bed.audit)
    await asyncio.sleep(window_s)
    found = watched.window()
    polls = found.minutes * 60 / POLLING_S
    figures = [
        *_cpu(part, "per minute at rest", found, found.minutes),
        *(Figure(part, f"RSS, {name}", size, "MB", "at rest") for name, size in found.rss_mb.items()),
        Figure(part, "broker, connections", found.connections, "", "connected clients of Redis"),
        Figure(
            part,
            "broker, commands per minute",
            found.commands / found.minutes,
            "",
            f"{count:,} lists, measured {polls:.0f} times in the window",
        ),
    ]
    if bed.audit.is_kept:
        figures.append(_requests(part, found))
    return figures


def _requests(part: str, found: Window) -> Figure:
    kinds = Counter(one.resource for one in found.deeds)
    most = ", ".join(f"{name} {number}" for name, number in kinds.most_common(4))
    means = f"to the API server, by the operator ({most or 'none'})"
    return Figure(part, "requests per minute at rest", len(found.deeds) / found.minutes, "", means)


async def pushes(bed: Bed, cluster: Cluster, count: int, part: str, number: int) -> list[Figure]:
    """Onto lists of objects at zero, at random moments, one at a time."""
    chance = random.Random(1)
    async with cluster.following(DEPLOYMENTS) as follower:
        waits = []
        for name in chance.sample(names(count), min(number, count)):
            await asyncio.sleep(POLLING_S * chance.random())
            pushed_s = time.monotonic()
            waits.append(await _woken(bed, follower, name) - pushed_s)
    # The last one goes back to zero.
    await asyncio.sleep(SETTLING_S)
    means = f"RPUSH → spec.replicas 1 seen by a watch, pollingInterval {POLLING_S}, {len(waits)} pushes"
    return [
        Figure(part, "push → replicas 1, p50", quantile(waits, 0.5), "s", means),
        Figure(part, "push → replicas 1, most", max(waits), "s", means, goal("<", 2 * POLLING_S)),
    ]


async def _woken(bed: Bed, follower: Follower, name: str) -> float:
    """Pushes a message; the moment at which a worker for it was seen."""
    bed.queue.rpush(name, "1")
    await follower.until(lambda: _replicas(follower, name) > 0, f"{name} is woken")
    bed.queue.delete(name)
    return follower.seen_s[name]


def _replicas(follower: Follower, name: str) -> int:
    body = follower.latest.get(name) or {}
    return int((body.get("spec") or {}).get("replicas") or 0)


async def restart(bed: Ours, count: int, part: str) -> list[Figure]:
    """Stopped in good order and started again: until every object has been decided with a value."""
    await asyncio.to_thread(bed.operator.stop)
    bed.audit.news()
    began_s = time.monotonic()
    await asyncio.to_thread(bed.operator.start, waits=False)
    # The page of a thousand objects costs the operator something, too.
    until = partial(bed.operator.until, "all have values", pause_s=LOOK_S)
    await asyncio.to_thread(until, lambda: _measured(bed.operator) >= count)
    took_s = time.monotonic() - began_s
    await asyncio.sleep(SETTLING_S)
    writes = sum(one.is_write and one.is_of_objects for one in bed.audit.news())
    wanted = goal("<", 2) if count == 1_000 else None
    means = (
        "start of the process → each trigger has a value (interpreter and Lease included), looked at every "
    )
    means += f"{LOOK_S:g} s"
    return [
        Figure(part, "restart", took_s, "s", means, wanted),
        Figure(
            part, "writes of a restart", writes, "", "nothing has changed (events left out)", must("=", 0)
        ),
    ]


def _measured(program: Program) -> int:
    return program.told_metrics().count("\nkeda_scaler_active{")


async def takeover(bed: Ours, cluster: Cluster, count: int, part: str) -> list[Figure]:
    """A second operator waits; the leader is killed, and then the next one stopped in good order."""
    second = bed.another(free_port())
    await asyncio.to_thread(second.start)
    await asyncio.sleep(SETTLING_S)
    chance = random.Random(2)
    first = bed.operator
    killed_s = await _woken_after(bed, cluster, chance.choice(names(count)), first.kill)
    await asyncio.to_thread(first.start)
    await asyncio.sleep(SETTLING_S)
    stopped_s = await _woken_after(bed, cluster, chance.choice(names(count)), second.stop)
    means = "→ a push of that moment has raised its target; a second replica waits"
    return [
        Figure(part, "takeover after a kill", killed_s, "s", f"kill -9 of the leader {means}", goal("<", 20)),
        Figure(
            part, "takeover after a clean stop", stopped_s, "s", f"SIGTERM {means}", goal("<", 2 + POLLING_S)
        ),
    ]


async def _woken_after(bed: Ours, cluster: Cluster, name: str, end: Callable[[], int]) -> float:
    async with cluster.following(DEPLOYMENTS) as follower:
        began_s = time.monotonic()
        await asyncio.to_thread(end)
        return await _woken(bed, follower, name) - began_s


async def jobs(bed: Ours, cluster: Cluster, part: str, count: int = JOBS) -> list[Figure]:
    """One ScaledJob, and as many messages at once."""
    bed.queue.rpush("batch", *map(str, range(count)))
    bed.audit.news()
    operator = pid_of(bed.operator)
    before_s = operator.cpu_s
    await cluster.scaled_job("batch", count)
    await cluster.until_jobs(count)
    used_s = operator.cpu_s - before_s
    made_s = sorted(one.at_s for one in bed.audit.news() if (one.verb, one.resource) == ("create", "jobs"))
    await asyncio.sleep(3 * POLLING_S)
    extra = await cluster.jobs() - count
    bed.queue.delete("batch")
    means = f"{count} Jobs of one ScaledJob, by the moments at which the API server got them"
    return [
        Figure(
            part,
            "Jobs created per second",
            (count - 1) / (made_s[-1] - made_s[0]),
            "",
            means,
            goal(">=", 200),
        ),
        Figure(part, "CPU for a Job", used_s / count * 1000, "ms", "of the operator, everything included"),
        Figure(part, "Jobs too many", extra, "", f"{count} messages, three more polls", must("=", 0)),
    ]


async def hpas(bed: Ours, cluster: Cluster, count: int, part: str, window_s: float) -> list[Figure]:
    """Every target keeps one worker, so that each HPA of the cluster asks for its metric."""
    async with cluster.following(DEPLOYMENTS) as follower:
        await cluster.keep_one(names(count))
        await follower.until(
            lambda: all(_replicas(follower, name) > 0 for name in names(count)), "all have a worker"
        )
    await asyncio.sleep(HPAS_WARM_S)
    before = _buckets(bed)
    watched = Watched(bed.seen(), bed.queue, bed.audit)
    await asyncio.sleep(window_s)
    after, found = _buckets(bed), watched.window()
    counts = {edge: after[edge] - before.get(edge, 0) for edge in after}
    asked = max(counts.values(), default=0)
    edge = min((edge for edge, number in counts.items() if number >= 0.99 * asked), default=float("inf"))
    means = "Kubernetes' HPA controller asks through the aggregator; time within our process"
    limit: Limit = goal("<=", 20)
    return [
        Figure(part, "HPAs' questions per minute", asked / found.minutes, "", means, must(">=", 1)),
        Figure(part, "HPA's question, p99 at most", edge * 1000, "ms", f"{means} (bucket's edge)", limit),
        *_cpu(part, "per minute while HPAs ask", found, found.minutes),
    ]


def _buckets(bed: Ours) -> dict[float, float]:
    bed.server.program.metrics = bed.server.plain
    text = bed.server.program.told_metrics()
    return {float(edge): float(number) for edge, number in BUCKET.findall(text)}


def _cpu(part: str, when: str, found: Window, per: float = 1.0) -> list[Figure]:
    return [
        Figure(part, f"CPU {when}, {name}", used_s / per, "s", "user and system, /proc")
        for name, used_s in found.cpu_s.items()
    ]
