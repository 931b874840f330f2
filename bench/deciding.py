"""Decisions alone: how many in a second, and how many status writes a change is worth.

No clock, no server: objects, readings and Jobs are values. Calls are decisions at rest, which is what
nearly all of them are; for the writes, each change is decided until a decision writes nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from bench.figures import Figure, must
from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core.decide import Seen, decide_scaled_job, decide_scaled_object
from tidegate.core.modifiers import Composite
from tidegate.core.values import Decision, JobView, Memory, PatchStatus, Reading, TriggerView
from tidegate.kit.reading import Sources
from tidegate.review.manifest import Review, review

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ENOUGH_S = 0.5
SETTLED = 10
PART = "Decisions, as pure functions"
FALLBACK = {"failureThreshold": 3, "replicas": 5}
DOWN = Failure("Unreachable", "connection refused")


def measure(folder: Path) -> list[Figure]:
    """Nothing is written to `folder`."""
    figures = []
    for count in (1, 3, 20):
        figures.append(_pace(f"ScaledObject, {_triggers(count)}", _object_call(count)))
    figures.append(_pace("ScaledObject, 3 triggers, fallback", _object_call(3, fallback=FALLBACK)))
    formula = {"scalingModifiers": {"formula": "t0 + t1 * 2", "target": "5"}}
    figures.append(_pace("ScaledObject, 3 triggers, formula", _object_call(3, advanced=formula)))
    for jobs in (5, 100):
        figures.append(_pace(f"ScaledJob, 1 trigger, {jobs} Jobs", _jobs_call(jobs)))
    writes = [_writes(change) for change in CHANGES]
    means = f"PATCHes of a status until nothing changes any more; the most of {len(CHANGES)} kinds of change"
    figures.append(Figure(PART, "status writes per change", max(writes), "", means, must("<=", 1)))
    return figures


def _pace(name: str, call: Callable[[], Any]) -> Figure:
    calls, begun_s = 0, time.perf_counter()
    while (spent_s := time.perf_counter() - begun_s) < ENOUGH_S:
        for _ in range(50):
            call()
        calls += 50
    return Figure(PART, name, calls / spent_s, "decisions/s", "calls of decide in a second, on one core")


def _triggers(count: int) -> str:
    return f"{count} trigger" + ("s" if count != 1 else "")


def _body(kind: str, count: int, **spec: Any) -> dict[str, Any]:
    triggers = [
        {
            "type": "redis",
            "name": f"t{number}",
            "metadata": {"address": "redis:6379", "listName": f"jobs-{number}", "listLength": "5"},
        }
        for number in range(count)
    ]
    target: dict[str, Any] = {"scaleTargetRef": {"name": "web"}}
    if kind == "ScaledJob":
        target = {"jobTargetRef": {"template": {"spec": {"containers": [{"name": "c"}]}}}}
    metadata = {"name": "web", "namespace": "shop", "uid": "u-web", "generation": 1}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": kind,
        "metadata": {**metadata, "creationTimestamp": "2026-03-01T08:00:00Z"},
        "spec": {**target, "triggers": triggers, **spec},
    }


class Scene:
    """An object with its readings; `decide` carries a decision's status and memory on."""

    def __init__(self, count: int, **spec: Any) -> None:
        made: Any = decode(_body("ScaledObject", count, **spec))
        self.object: ScaledObject = made
        self.reviewed: Review = review(made, self._sources)
        self.values: list[float | Failure] = [3.0] * count
        self.failed = 0
        self.memory = Memory()
        self.now = NOW
        self.replicas = 2
        self.composite: Composite | None = self.reviewed.composite

    def _sources(self, index: int) -> Sources:
        return Sources(self.object.spec.triggers[index].metadata)

    def views(self) -> tuple[TriggerView, ...]:
        return tuple(
            TriggerView(
                one.index,
                one.trigger.type,
                one.trigger.name or "",
                one.metrics,
                activation=one.activation,
                reading=_reading(self.values[one.index], self.now),
                failed_polls=self.failed if isinstance(self.values[one.index], Failure) else 0,
            )
            for one in self.reviewed.triggers
        )

    def decide(self) -> Decision:
        seen = Seen(self.replicas)
        return decide_scaled_object(self.object, seen, self.views(), self.memory, self.now, self.composite)

    def settle(self) -> int:
        """Decides and writes until nothing is written any more; how many writes that were."""
        writes = 0
        for _ in range(SETTLED):
            decision = self.decide()
            self.memory = decision.memory
            patches = [one.status for one in decision.actions if isinstance(one, PatchStatus)]
            if not patches:
                return writes
            writes += len(patches)
            for patch in patches:
                self._write(patch)
        raise SystemExit("a decision does not come to rest")

    def _write(self, patch: dict[str, Any]) -> None:
        status = _merged(msgspec.to_builtins(self.object.status), patch)
        read: Any = decode({**_body("ScaledObject", len(self.values)), "status": status})
        self.object = msgspec.structs.replace(self.object, status=read.status)

    def annotate(self, **annotations: str) -> None:
        metadata = msgspec.structs.replace(self.object.metadata, annotations=annotations)
        self.object = msgspec.structs.replace(self.object, metadata=metadata)


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396: what an API server makes of a merge patch."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        merged[key] = _merged(merged.get(key), value)
    return {key: value for key, value in merged.items() if value is not None}


def _reading(value: float | Failure, at: datetime) -> Reading:
    return Reading(at, failure=value) if isinstance(value, Failure) else Reading(at, (value,))


def _object_call(count: int, **spec: Any) -> Callable[[], Any]:
    scene = Scene(count, **spec)
    scene.settle()
    views, seen = scene.views(), Seen(scene.replicas)
    return lambda: decide_scaled_object(scene.object, seen, views, scene.memory, scene.now, scene.composite)


def _jobs_call(count: int) -> Callable[[], Any]:
    object: Any = decode(_body("ScaledJob", 1, maxReplicaCount=count))
    reviewed = review(object, lambda index: Sources(object.spec.triggers[index].metadata))
    jobs = tuple(JobView(f"web-{number:05d}", is_finished=number % 2 == 0) for number in range(count))
    (plan,) = reviewed.triggers
    reading = Reading(NOW, (float(count),), snapshot=jobs)
    view = TriggerView(0, "redis", "", plan.metrics, reading=reading)
    memory = decide_scaled_job(object, jobs, (view,), Memory(), NOW).memory
    return lambda: decide_scaled_job(object, jobs, (view,), memory, NOW)


# --- changes


def _quiet(scene: Scene) -> None:
    scene.values = [0.0] * len(scene.values)
    scene.now += timedelta(seconds=30)


def _quiet_for_long(scene: Scene) -> None:
    _quiet(scene)
    scene.settle()
    scene.now += timedelta(seconds=3600)


def _one_fails(scene: Scene) -> None:
    scene.values[0], scene.failed = DOWN, 1


def _all_fail(scene: Scene) -> None:
    scene.values, scene.failed = [DOWN] * len(scene.values), 4


def _recovers(scene: Scene) -> None:
    _all_fail(scene)
    scene.settle()
    scene.values, scene.failed = [3.0] * len(scene.values), 0


def _paused(scene: Scene) -> None:
    scene.annotate(**{"autoscaling.keda.sh/paused": "true"})


def _unpaused(scene: Scene) -> None:
    _paused(scene)
    scene.settle()
    scene.annotate()


def _minute(scene: Scene) -> None:
    scene.now += timedelta(seconds=61)


CHANGES: tuple[Callable[[Scene], None], ...] = (
    _quiet,
    _quiet_for_long,
    _one_fails,
    _all_fail,
    _recovers,
    _paused,
    _unpaused,
    _minute,
)


def _writes(change: Callable[[Scene], None]) -> int:
    scene = Scene(3, fallback=FALLBACK)
    scene.settle()
    change(scene)
    return scene.settle()
