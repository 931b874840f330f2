"""Decisions alone: how many in a second.

No clock, no server: objects, readings and Jobs are values. Calls are decisions at rest, which is what
nearly all of them are: all is written already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure
from tidegate.api.decode import decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.values import Decision, JobView, Memory, PatchStatus, Reading, Seen, TriggerView
from tidegate.kit.reading import Sources
from tidegate.local.apiserver.patching.patches import merge_patch
from tidegate.review.manifest import Review, review

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ENOUGH_S = 0.5
SETTLED = 10
REPLICAS, FAILED = 2, 4
PART = "Decisions, as pure functions"
FALLBACK = {"failureThreshold": 3, "replicas": 5}
DOWN = Failure("Unreachable", "connection refused")


def measure(folder: Path) -> list[Figure]:
    """Nothing is written to `folder`."""
    figures = []
    for count in (1, 3, 20):
        triggers = f"{count} trigger" + ("s" if count != 1 else "")
        for what, call in (
            (f"ScaledObject, {triggers}", _object_call(count)),
            (f"ScaledObject, {triggers}, formula", _object_call(count, advanced=_formula(count))),
            (f"ScaledObject, {triggers}, in fallback", _object_call(count, DOWN, fallback=FALLBACK)),
            (f"ScaledJob, {triggers}, 5 Jobs", _jobs_call(count, 5)),
        ):
            figures.append(_pace(what, call))
    figures.append(_pace("ScaledJob, 1 trigger, 100 Jobs", _jobs_call(1, 100)))
    return figures


def _formula(count: int) -> dict[str, Any]:
    terms = " + ".join(f"t{number} * 2" for number in range(count))
    return {"scalingModifiers": {"formula": terms, "target": "5"}}


def _pace(name: str, call: Callable[[], Any]) -> Figure:
    calls, begun_s = 0, time.thread_time()
    while (spent_s := time.thread_time() - begun_s) < ENOUGH_S:
        for _ in range(50):
            call()
        calls += 50
    return Figure(
        PART,
        name,
        calls / spent_s,
        "decisions/s",
        "calls of decide in a second of processor time, on one core",
    )


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
    """An object with one reading for all its triggers; `settle` carries statuses and memory on."""

    def __init__(self, body: dict[str, Any], value: float | Failure, jobs: tuple[JobView, ...] = ()) -> None:
        self.body = body
        made: Any = decode(body)
        self.object: ScaledObject | ScaledJob = made
        self.jobs = jobs
        self.reviewed: Review = review(made, self._sources)
        if isinstance(value, Failure):
            reading, failed = Reading(NOW, failure=value), FAILED
        else:
            reading, failed = Reading(NOW, (value,), snapshot=jobs), 0
        self.views = tuple(
            TriggerView(
                one.index,
                one.trigger.type,
                one.trigger.name or "",
                one.metrics,
                activation=one.activation,
                reading=reading,
                failed_polls=failed,
            )
            for one in self.reviewed.triggers
        )
        self.memory = Memory()

    def _sources(self, index: int) -> Sources:
        return Sources(self.object.spec.triggers[index].metadata)

    def decide(self) -> Decision:
        if isinstance(self.object, ScaledJob):
            return decide_scaled_job(self.object, self.jobs, self.views, self.memory, NOW)
        composite = self.reviewed.composite
        return decide_scaled_object(self.object, Seen(REPLICAS), self.views, self.memory, NOW, composite)

    def settle(self) -> None:
        """Decides and writes until there is nothing left to do."""
        for _ in range(SETTLED):
            decision = self.decide()
            self.memory = decision.memory
            if not decision.actions:
                return
            for action in decision.actions:
                if isinstance(action, PatchStatus):
                    self.body = merge_patch(self.body, {"status": action.status})
            made: Any = decode(self.body)
            self.object = made
        raise SystemExit("a decision does not come to rest")


def _object_call(count: int, value: float | Failure = 3.0, **spec: Any) -> Callable[[], Any]:
    scene = Scene(_body("ScaledObject", count, **spec), value)
    scene.settle()
    return scene.decide


def _jobs_call(count: int, jobs: int) -> Callable[[], Any]:
    """As many Jobs run as may; more messages wait."""
    running = tuple(JobView(f"web-{number:05d}") for number in range(jobs))
    scene = Scene(_body("ScaledJob", count, maxReplicaCount=jobs), 10.0 * jobs, running)
    scene.settle()
    return scene.decide
