"""Pods that show parts of this program: running while it runs, with its log, and never started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tidegate.kube.resource import PODS, ApiError
from tidegate.local.nodes.pods.pod_status import ContainerView, pod_status, running
from tidegate.local.objects import PART, Objects
from tidegate.local.streams import LogOptions
from tidegate.runtime.clock import Clock
from tidegate.telemetry.recent import Line, RecentLines

log = logging.getLogger(__name__)

NAMESPACE = "keda"
FOLLOW_S = 0.1


class BuiltInPods:
    """`logs` has the lines of each part by its name; pods of others are none of ours."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self.logs: Mapping[str, RecentLines] = {}
        self._objects = objects
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def lines_of(self, pod: Mapping[str, Any]) -> RecentLines | None:
        """The log of the part that a pod shows; None for a pod that is none."""
        meta = pod["metadata"]
        if meta.get("namespace") != NAMESPACE:
            return None
        return self.logs.get((meta.get("labels") or {}).get(PART, ""))

    def follow(self, pod: Mapping[str, Any]) -> None:
        """Shows a new one as running, and lets one that is deleted go."""
        meta = pod["metadata"]
        is_ending = "deletionTimestamp" in meta
        if is_ending or (pod.get("status") or {}).get("phase") != "Running":
            task = asyncio.create_task(self._let_go(meta) if is_ending else self._show(pod))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _let_go(self, meta: Mapping[str, Any]) -> None:
        try:
            await self._objects.delete(PODS, NAMESPACE, meta["name"], grace_s=0, uid=meta["uid"])
        except ApiError as error:
            _tell(error, meta["name"])

    async def _show(self, pod: Mapping[str, Any]) -> None:
        name, now = pod["metadata"]["name"], self._clock.now()
        try:
            await self._objects.patch(PODS, NAMESPACE, name, {"status": status_of(pod, now)}, "status")
        except ApiError as error:
            _tell(error, name)

    def refusal(self, pod: Mapping[str, Any]) -> ApiError:
        """What is answered to whoever wants something of its container."""
        name = pod["metadata"]["name"]
        return ApiError(
            400,
            "BadRequest",
            f'pod "{name}" shows a part of `tidegate up` itself and has no container: nothing can be run in '
            "it, attached to it or connected with it; its log is read by `kubectl logs`, the metrics of the "
            "program by `kubectl get --raw /metrics`",
        )

    async def read(self, pod: Mapping[str, Any], options: LogOptions) -> AsyncIterator[bytes]:
        """The part's log since this program runs; with `follow`, until the pod is gone."""
        lines = self.lines_of(pod)
        assert lines is not None, "asked of pods that are none"
        meta = pod["metadata"]
        if options.previous:
            container = pod["spec"]["containers"][0]["name"]
            told = f'previous terminated container "{container}" in pod "{meta["name"]}" not found'
            raise ApiError(400, "BadRequest", told)
        kept = lines.after(0)
        fresh, left = chosen(kept, options, self._clock.now().timestamp()), options.limit_bytes
        while True:
            text = b"".join(written(line, options) for line in fresh)
            if left is not None:
                text, left = text[:left], left - len(text)
            if text:
                yield text
            if not options.follow or (left is not None and left <= 0) or not self._is_there(meta):
                return
            await self._clock.sleep(FOLLOW_S)
            seen = kept[-1].number if kept else 0
            fresh = lines.after(seen)
            kept = fresh or kept

    def _is_there(self, meta: Mapping[str, Any]) -> bool:
        found = self._objects.get(PODS, NAMESPACE, meta["name"])
        return found is not None and found["metadata"]["uid"] == meta["uid"]


def status_of(pod: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Running and ready; without an address, because nothing listens."""
    views = [
        ContainerView(
            name=one["name"],
            image=one.get("image", ""),
            role="main",
            state=running(now.timestamp()),
            is_ready=True,
            is_started=True,
        )
        for one in pod["spec"]["containers"]
    ]
    status = pod_status(pod, views, "", now)
    return {name: value for name, value in status.items() if name not in ("podIP", "podIPs")}


def chosen(lines: list[Line], options: LogOptions, now: float) -> list[Line]:
    """The lines that are asked for of those that are there."""
    since = now - options.since_s if options.since_s is not None else None
    if options.since_time is not None:
        since = options.since_time.timestamp()
    if since is not None:
        lines = [line for line in lines if line.at >= since]
    if options.tail_lines is not None:
        lines = lines[max(0, len(lines) - options.tail_lines) :]
    return lines


def written(line: Line, options: LogOptions) -> bytes:
    if not options.timestamps:
        return line.text + b"\n"
    moment = datetime.fromtimestamp(line.at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() + line.text + b"\n"


def _tell(error: ApiError, name: str) -> None:
    # Gone, or another one by now: the next change says so.
    if error.reason not in ("NotFound", "Conflict"):
        log.warning("a pod of a part cannot be written", extra={"pod": name, "answer": str(error)})
