"""A dashboard with objects that a test makes, served on loopback: what the page does with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tidegate.base.errors import TidegateError
from tidegate.dashboard.entrance import Entrance
from tidegate.dashboard.site import About, Site
from tidegate.kube.resource import ApiError
from tidegate.runtime.clock import Clock, SystemClock
from tidegate.runtime.listening import listening

TOKEN = "shown-to-nobody-but-the-test"
AT = 1_796_000_000.0
Entry = dict[str, Any]


class Shown:
    """A View of what it was given. `asked` counts what would cost an API server something."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.objects = list(entries)
        self.asked: list[str] = []
        self.log_text = "one\ntwo\n"
        self.pod_entries: list[Entry] = [pod("worker-1")]
        self.failure: Exception | None = None

    def moment(self) -> str:
        return "2026-11-30T01:33:20Z"

    def lacks(self) -> list[str]:
        return []

    def entries(self) -> list[Entry]:
        return self.objects

    def spark(self, entry: Entry) -> list[list[float | None]]:
        return [[AT - 600, 1], [AT - 300, None], [AT - 60, 4]]

    async def object(self, plural: str, namespace: str, name: str) -> Entry:
        self._ask("object")
        for one in self.objects:
            if (one["plural"], one["namespace"], one["name"]) == (plural, namespace, name):
                return page_of(one)
        raise ApiError(404, "NotFound", f"there is no {plural} {namespace}/{name}")

    async def pods(self, plural: str, namespace: str, name: str) -> Entry:
        self._ask("pods")
        return {"total": len(self.pod_entries), "pods": self.pod_entries}

    async def log(self, namespace: str, pod: str, container: str, *, is_previous: bool) -> str:
        self._ask(f"log {namespace}/{pod}/{container}{' before' if is_previous else ''}")
        return self.log_text

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.failure is not None:
            raise self.failure


def entry(name: str = "web", state: str = "active", **fields: Any) -> Entry:
    """An object at a glance."""
    made = {
        "kind": "ScaledObject",
        "plural": "scaledobjects",
        "namespace": "shop",
        "name": name,
        "state": state,
        "why": "",
        "isFallback": False,
        "replicas": 3,
        "ready": 2,
        "jobs": None,
        "minimum": 0,
        "maximum": 10,
        "metrics": [{"name": "s0-redis-jobs", "value": 23.0, "target": 5.0}],
        "reason": {"code": "LeftToHpa", "text": "3 replicas: the HPA decides", "numbers": {}},
    }
    return {**made, **fields}


def page_of(one: Entry) -> Entry:
    """All about it, as the operator would tell."""
    text = one["why"] or one["reason"]["text"]
    metrics = [{**each, "targetType": "AverageValue", "replicas": 5} for each in one["metrics"]]
    trigger = {
        "index": 0, "type": "redis", "name": None, "summary": None, "state": "active", "isAsked": True,
        "isFallback": False, "activation": 0.0, "metrics": metrics, "readAt": None, "age_s": 1.0,
        "failure": one["why"] or None, "failedPolls": 0, "pollingInterval": 30, "nextPoll": None,
        "isHeld": False, "isPushed": False, "notices": [],
    }  # fmt: skip
    happened = {
        "at": "2026-11-30T01:30:00Z", "since": "2026-11-30T01:30:00Z", "count": 1, "code": "Scaled",
        "what": f"1 → 3 replicas of {one['name']}", "reasons": [{"code": "X", "text": text, "numbers": {}}],
    }  # fmt: skip
    explanation = {
        "kind": one["kind"], "namespace": one["namespace"], "name": one["name"], "replicas": 3, "ready": 2,
        "at": "2026-11-30T01:33:20Z", "decidedAt": "2026-11-30T01:33:00Z", "jobs": None, "notReady": [],
        "failing": None, "unseen": None, "minimum": 0, "maximum": 10, "paused": False, "annotations": {},
        "triggers": [trigger], "formula": None, "notices": [], "hpa": None, "claims": None, "rivals": [],
        "reasons": [{"code": "Asked", "text": text, "numbers": {}}], "due": None, "history": [happened],
        "outlook": [{"code": "Higher", "text": "above 25 asks for one more", "numbers": {}, "at": None}],
    }  # fmt: skip
    curve: list[list[float | None]] = [[AT - 600, 5], [AT - 300, None], [AT - 200, 23]]
    return {
        "at": AT,
        "glance": one,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Fine", "message": text}],
        "explanation": explanation,
        "problem": "",
        "curves": {
            "replicas": [[AT - 600, 1], [AT - 100, 3]],
            "ready": [[AT - 600, 1], [AT - 90, 2]],
            **{f"metric:{each['name']}": curve for each in one["metrics"]},
        },
    }


def pod(name: str, *containers: str) -> Entry:
    told = [
        {"name": one, "restarts": 0, "hasBegun": True, "hasEnded": False} for one in containers or ("main",)
    ]
    return {
        "name": name, "phase": "Running", "isReady": True, "why": "", "createdAt": "2026-11-30T01:00:00Z",
        "restarts": 0, "containers": told,
    }  # fmt: skip


@asynccontextmanager
async def shown(
    view: Shown,
    *,
    token: Callable[[], str] = lambda: TOKEN,
    standby: Callable[[], str] = lambda: "",
    port: int = 0,
    clock: Clock | None = None,
) -> AsyncIterator[int]:
    """The port it is served on while the block lasts."""
    site = Site(view, Entrance(token), About("test", True, standby), clock or SystemClock())
    runner = web.AppRunner(site.app(), access_log=None, shutdown_timeout=1.0)
    had = await listening(runner, "127.0.0.1", port, otherwise="choose another")
    try:
        yield had
    finally:
        await site.close()
        await runner.cleanup()


def defect(error: TidegateError | ApiError | Exception) -> Shown:
    """One whose every question meets this error."""
    view = Shown([entry()])
    view.failure = error
    return view
