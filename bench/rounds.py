"""Many `redis` triggers on one server, measured once a second, when nothing changes.

Three processes: a real Redis, the embedded API with the objects, and the operator alone, which is
the one that is measured.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import redis

from bench.figures import Figure, between, goal, must
from bench.load import ACTIVATION, VALUE, Load
from bench.servers import api_server, port_of, redis_server
from tidegate.connections.feeds import BEAT_S

INTERVAL_S = 1
BATCH = 1_000
WINDOW_S = 30.0


def measure(
    folder: Path, triggers: int, window_s: float = WINDOW_S, is_stopped: bool = False
) -> list[Figure]:
    """One size: a first start, which writes finalizers, HPAs and statuses, and the quiet time of a second."""
    with redis_server(folder) as server:
        _fill(server, triggers)
        with api_server(folder, triggers, _load(port_of(server))) as kubeconfig:
            first = run_operator(kubeconfig, triggers, 1.0, INTERVAL_S)
            server.config_resetstat()
            found = run_operator(kubeconfig, triggers, window_s, INTERVAL_S, is_stopped=is_stopped)
            received = int(server.info("stats")["total_connections_received"])
    return _figures(triggers, first, found, received)


def least_rounds(intervals: float) -> int:
    """How often each trigger is measured at least in a window: one round may end just after it."""
    return max(1, round(intervals) - 1)


def _load(port: int) -> Load:
    metadata = {
        "address": f"127.0.0.1:{port}",
        "listName": "worker-{number}",
        "listLength": "10",
        "activationListLength": str(ACTIVATION),
    }
    return Load("redis", metadata, interval_s=INTERVAL_S)


def _fill(server: redis.Redis, triggers: int) -> None:
    pipe = server.pipeline(transaction=False)
    for number in range(triggers):
        pipe.rpush(f"worker-{number:05d}", *range(VALUE))
    pipe.execute()


def run_operator(
    kubeconfig: str, triggers: int, window_s: float, interval_s: float, *, is_stopped: bool = False
) -> Mapping[str, float]:
    """The operator in a process of its own, until it is quiet and `window_s` longer; what it counted.

    `is_stopped`: without polling in that time.
    """
    arguments = [kubeconfig, str(triggers), str(window_s), str(interval_s)]
    run = subprocess.run(
        [sys.executable, "-m", "bench.measured", *arguments, *(["stopped"] if is_stopped else [])],
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = msgspec.json.decode(run.stdout)
    return found


def _figures(
    triggers: int, first: Mapping[str, float], found: Mapping[str, float], received: int
) -> list[Figure]:
    part = f"{triggers:,} `redis` trigger{'s' if triggers != 1 else ''} on one server, every {INTERVAL_S} s"
    window_s = found["window_s"]
    intervals = window_s / INTERVAL_S
    # One more where the window begins just before a due moment, and one where a late round of the
    # interval before it falls into it.
    batches = math.ceil(triggers / BATCH)
    # The connection over which changes are told is silent here, and is asked whether it is still there.
    beats = math.ceil(window_s / BEAT_S) + 1
    most, least = round(intervals) + 2, least_rounds(intervals)
    is_largest = triggers >= 10_000

    def row(name: str, value: float, unit: str, means: str, limit: Any = None) -> Figure:
        return Figure(part, name, value, unit, means, limit)

    return [
        row("round trips", found["round_trips"], "",
            f"batches sent to Redis in {window_s:.1f} s, by the adapter; "
            "ceil(triggers / 1,000) for each interval that it touches",
            between(batches * least, batches * most + beats)),
        row("round trips per interval", found["round_trips"] / intervals, "", "the same, per second"),
        row("connections", received, "",
            "connections Redis has accepted from the operator since its start: one to ask, one to be told",
            must("=", 2)),
        row("values of a trigger, fewest", found["values_least"], "",
            "readings with a value, of the trigger with the fewest; one in each interval but one",
            must(">=", least)),
        row("readings per second", found["readings"] / window_s, "", "answers stored, per second"),
        row("lateness p50", found["late_p50_s"] * 1e3, "ms", "poll due → its reading stored"),
        row("lateness p99", found["late_p99_s"] * 1e3, "ms", "the same, 99 of 100",
            goal("<", 150) if is_largest else None),
        row("lateness max", found["late_max_s"] * 1e3, "ms", "the same, the latest"),
        row("longest stall", found["stall_s"] * 1e3, "ms",
            "how late a timer of the loop was, at most (other programs on the machine count too)",
            goal("<", 20)),
        row("longest stall, own", found["stall_own_s"] * 1e3, "ms",
            "processor time of the loop's thread between two turns of a 2 ms timer, at most", goal("<", 20)),
        row("status writes", found["status_writes"], "",
            f"PATCHes of a status in those {window_s:.0f} s, in which nothing changes", must("=", 0)),
        row("calls of decide", found["decisions"], "",
            "in the same time: only news and deadlines decide", must("=", 0)),
        row("CPU", found["cpu_s"] / window_s * 60, "s/min", "processor time of the process in that time"),
        row("RSS", found["rss_mb"], "MB", "resident memory at its end"),
        row("RSS, highest", found["rss_most_mb"], "MB", "the highest since the start"),
        row("garbage collections", found["collections"], "", "of any generation in the quiet time"),
        row("start", found["start_s"], "s",
            "operator's start → everything measured and decided, objects known from before"),
        row("CPU of the start", found["start_cpu_s"], "s", "processor time until then, with 3 s of quiet"),
        row("longest stall of the start", found["start_stall_s"] * 1e3, "ms", "as above, during the start"),
        row("status writes of the start", found["start_status_writes"], "",
            "PATCHes of a status by a restart, which finds all as it was", must("=", 0)),
        row("first start", first["start_s"], "s",
            "the same where each object also gets finalizer, HPA, status"),
        row("CPU of the first start", first["start_cpu_s"], "s", "processor time until then"),
        row("status writes of the first start", first["start_status_writes"], "",
            "PATCHes of a status, one for each object", must("<=", triggers)),
    ]  # fmt: skip
