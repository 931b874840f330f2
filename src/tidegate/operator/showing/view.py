"""The operator as the dashboard sees it: what it knows anyway, and pods and logs when somebody asks.

All objects are looked at every few seconds, in memory: whoever opens the page costs the cluster nothing but
the pods of the one object that is shown.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.times import format_time
from tidegate.kube.resource import PODS, SCALED_JOBS, ApiError
from tidegate.operator.explain.asked import asked
from tidegate.operator.explain.undecided import undecided
from tidegate.operator.operator import Operator
from tidegate.operator.reconcile.tracker import Key
from tidegate.operator.scaledjob.job_body import OWNER_LABEL
from tidegate.operator.showing import pods
from tidegate.operator.showing.curves import Curves
from tidegate.operator.showing.glance import conditions_of, glance, keys, numbers

Entry = dict[str, Any]
# A look takes milliseconds for a hundred objects: ten thousand are looked at less often, and not in one go.
LEAST_PAUSE_S = 2.0
PER_OBJECT_S = 0.002
AT_ONCE = 50
SPARK_POINTS = 60

log = logging.getLogger(__name__)


class OperatorView:
    """`run()` looks until cancelled."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._curves = Curves()
        self._entries: list[Entry] = []
        self._looked = False

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                # What is shown is then old, and the next look may do better.
                log.exception("the dashboard could not look at the objects")
            pause_s = max(LEAST_PAUSE_S, PER_OBJECT_S * len(self._entries))
            await self._operator.clock.sleep(pause_s)

    async def look(self) -> None:
        """Takes the numbers of all objects as they are now. No request is made."""
        steps, now_s = self._operator.steps, self._operator.clock.now().timestamp()
        found, present = [], keys(steps)
        for count, key in enumerate(present, start=1):
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
            entry = glance(steps, key, self._operator.scaled_objects.hpas.body)
            self._curves.take(key, now_s, numbers(entry))
            found.append(entry)
        self._curves.keep_only(set(present))
        self._entries, self._looked = found, True

    def entries(self) -> list[Entry]:
        """All objects as of the last look, by namespace and name."""
        return self._entries

    def lacks(self) -> list[str]:
        """What keeps the operator from working, in words."""
        return list(self._operator.lacks()) if self._looked else ["the objects are being read"]

    def moment(self) -> str:
        return format_time(self._operator.clock.now())

    def spark(self, entry: Entry) -> list[list[float | None]]:
        """How its size went, in few points."""
        name = "jobs" if entry["plural"] == SCALED_JOBS.plural else "replicas"
        return self._curves.last(
            self._key(entry["plural"], entry["namespace"], entry["name"]), name, SPARK_POINTS
        )

    async def object(self, plural: str, namespace: str, name: str) -> Entry:
        """All about one object; ApiError `NotFound` where there is none."""
        key = self._key(plural, namespace, name)
        now_s = self._operator.clock.now().timestamp()
        explanation, problem = None, ""
        try:
            explanation = await self._operator.explain(*key)
        except ApiError as error:
            if error.reason != "NotDecided":
                raise
            problem = error.message
        return {
            "at": now_s,
            "glance": glance(self._operator.steps, key, self._operator.scaled_objects.hpas.body),
            "conditions": conditions_of(self._operator.steps, key),
            "explanation": explanation,
            "problem": problem,
            "curves": self._curves.of(key),
        }

    async def pods(self, plural: str, namespace: str, name: str) -> Entry:
        """The pods of one object."""
        key = self._key(plural, namespace, name)
        selector = await self._selector(key)
        if not selector:
            return pods.told(())
        listing = await self._operator.informers.client.list(PODS, namespace, labels=selector)
        return pods.told(listing.items)

    async def log(self, namespace: str, pod: str, container: str, *, is_previous: bool) -> str:
        """The end of a container's log. Whoever asks has seen that the pod is an object's."""
        client = self._operator.informers.client
        return await pods.log_of(client, namespace, pod, container, is_previous=is_previous)

    async def _selector(self, key: Key) -> str:
        resource, namespace, name = key
        object = self._operator.informers.get(*key)
        if object is None:
            raise undecided(self._operator.informers, resource, namespace, name)
        if not isinstance(object, ScaledObject):
            return f"{OWNER_LABEL}={name}"
        target = await self._operator.scaled_objects.targets.find(object)
        return target.selector

    def _key(self, plural: str, namespace: str, name: str) -> Key:
        return asked([plural, namespace, name])
