"""Keeping the HPA of a ScaledObject: whose it is, created, brought back, renamed, deleted.

Only an HPA that the object controls is deleted, and a name that is taken by somebody else's is left to
them. A new name gets its HPA first; the old one goes when that stands: a name that the server refuses
leaves the target with the HPA that it had.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure, TidegateError
from tidegate.base.names import is_dns_subdomain
from tidegate.core import messages
from tidegate.core.scaledobject.restore import is_of_another, is_restoring, named
from tidegate.core.triggers.scaling_modifiers import modifiers_of
from tidegate.core.values import HpaView
from tidegate.kube.resource import HPAS, SCALED_OBJECTS, ApiError
from tidegate.operator.cluster.writer import Place
from tidegate.operator.reconcile.steps import SOON_S, Steps
from tidegate.operator.reconcile.trigger_plan import Plan
from tidegate.operator.scaledobject import hpa_drift
from tidegate.operator.scaledobject.contested import Contests, writer_of
from tidegate.operator.scaledobject.hpa_metadata import marked
from tidegate.operator.scaledobject.scale_target import Target
from tidegate.review.hpa import hpa_name, wanted_hpa
from tidegate.review.ownership import NAME_PATH, taken

log = logging.getLogger(__name__)

Object = dict[str, Any]
# What the cache does not show after so long, somebody has deleted, or nobody watches.
BEHIND_S = 10.0


@dataclass(frozen=True, slots=True)
class _OwnHpa:
    """An HPA as we have written it; `before` is the version that the cache may still show, "" for none."""

    before: str
    stored: Object
    until_s: float


class Hpas:
    """Keeps HPAs. Failures are values; what the cache does not show yet is one too."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.contests = Contests(steps.clock)
        self._ours: dict[tuple[str, str], _OwnHpa] = {}

    def heard(self, namespace: str, name: str, new: Object | None = None) -> bool:
        """The cache has moved on: what it shows of this HPA counts. Whether that is what we have written."""
        own = self._ours.pop((namespace, name), None)
        return own is not None and new is not None and _version(new) == _version(own.stored)

    def present(self, object: ScaledObject) -> HpaView | Failure | None:
        """The HPA that the object controls; the one it had, while a new name is not in force yet."""
        try:
            own = self._own(object)
        except TidegateError as error:
            return Failure.of(error)
        return hpa_drift.view_of(own[0]) if own else None

    def body(self, object: ScaledObject) -> Object | None:
        """The same as a body; None where there is none, or nobody can see it."""
        try:
            own = self._own(object)
        except TidegateError:
            return None
        return own[0] if own else None

    def target_of(self, object: ScaledObject) -> str | None:
        """What the HPA that it controls scales; None where there is none, or none is listed yet."""
        with suppress(TidegateError):
            for one in self._own(object):
                reference = (one.get("spec") or {}).get("scaleTargetRef") or {}
                parts = (reference.get(key) or "" for key in ("apiVersion", "kind", "name"))
                return named(*parts)
        return None

    async def ensured(self, object: ScaledObject, target: Target, plan: Plan) -> HpaView | Failure | None:
        """The HPA as it should be. One that lacks a broken trigger's metric would lower too much: while
        something is wrong, an existing one keeps its metrics, and a new one only raises."""
        present = self.present(object)
        if isinstance(present, Failure) or target.resource is None or target.failure is not None:
            return present
        if plan.is_hpa_lost:
            # What it may do is written there, and cannot be read.
            return present
        plans = [one for one in plan.review.triggers if one.scaler is not None or one.metrics]
        # Nor is one aimed at a target whose count is to be restored and not known.
        is_kept = object.status.original_replica_count is not None and not is_of_another(object)
        is_owed = is_restoring(object) and not is_kept
        if not plans or ((present is None or is_owed) and isinstance(target.replicas, Failure)):
            return present
        composite = plan.review.composite
        if composite is None and modifiers_of(object.spec) is not None:
            # Modifiers that cannot be used are a problem of the object: an existing HPA keeps its metrics.
            return present
        is_whole = plan.is_whole
        if present is not None and present.name != hpa_name(object) and not is_whole:
            return present
        try:
            wanted = marked(wanted_hpa(object, tuple(plans), composite))
            return await self._written(object, wanted, present, is_whole=is_whole)
        except ApiError as error:
            # AlreadyExists and Conflict: our cache is behind.
            if error.reason not in ("AlreadyExists", "Conflict"):
                return Failure("Denied", str(error))
            metadata = object.metadata
            self.steps.again((SCALED_OBJECTS, metadata.namespace, metadata.name), SOON_S)
            return present
        except TidegateError as error:
            return Failure.of(error)

    async def delete(self, object: ScaledObject, name: str = "") -> None:
        """Deletes its HPAs, or the one of this name: those that it controls, and no namesake."""
        for one in self._own(object):
            metadata = one["metadata"]
            if name in ("", metadata["name"]):
                self.contests.forget((object.metadata.namespace, metadata["name"]))
                await self.steps.writer.delete(
                    HPAS, object.metadata.namespace, metadata["name"], "Background", uid=metadata["uid"]
                )

    async def _written(
        self, object: ScaledObject, wanted: Object, present: HpaView | None, *, is_whole: bool
    ) -> HpaView | Failure | None:
        namespace, name = object.metadata.namespace, hpa_name(object)
        found = self._found(namespace, name)
        problem = _name_problem(name) or (taken(object, found) if found is not None else None)
        if problem is not None:
            return Failure("Misconfigured", problem)
        if not is_whole:
            wanted = hpa_drift.cautious(found, wanted)
        if found is None:
            self._wrote(namespace, name, "", await self.steps.writer.create_hpa(namespace, wanted))
        elif hpa_drift.differs(found, wanted):
            if await self._is_contested(object, found, wanted):
                return present
            stored = await self.steps.writer.replace_hpa(namespace, hpa_drift.rewritten(found, wanted))
            self._wrote(namespace, name, found["metadata"]["resourceVersion"], stored)
        if present is None or present.name == name:
            return present or HpaView(name, is_new=found is None)
        await self.delete(object, present.name)
        return HpaView(name, is_new=found is None)

    async def _is_contested(self, object: ScaledObject, found: Object, wanted: Object) -> bool:
        """Whether somebody else writes it back each time: then it is left as it is for a while."""
        metadata, name = object.metadata, found["metadata"]["name"]
        key = (metadata.namespace, name)
        rest_s = self.contests.rest_s(key, wanted)
        if not rest_s:
            return False
        self.steps.again((SCALED_OBJECTS, metadata.namespace, metadata.name), rest_s)
        if self.contests.is_news(key):
            who = writer_of(found)
            log.warning("HPA is written back by another", extra={"hpa": "/".join(key), "writer": who})
            place = Place(SCALED_OBJECTS, metadata.namespace, metadata.name, metadata.uid)
            await self.steps.writer.event(place, messages.contested_hpa(name, who))
        return True

    def _found(self, namespace: str, name: str) -> Object | None:
        """The HPA as the cache shows it, or as our last write left it where the cache is behind."""
        found: Object | None = self.steps.informers.get(HPAS, namespace, name)
        own = self._ours.get((namespace, name))
        if own is None:
            return found
        version = found["metadata"]["resourceVersion"] if found is not None else ""
        if version == own.before and self.steps.clock.monotonic() < own.until_s:
            return own.stored
        self.heard(namespace, name)
        return found

    def _wrote(self, namespace: str, name: str, before: str, stored: Object) -> None:
        if stored:
            until_s = self.steps.clock.monotonic() + BEHIND_S
            self._ours[namespace, name] = _OwnHpa(before, stored, until_s)

    def _own(self, object: ScaledObject) -> list[Object]:
        """Those it controls, under the name in its status and under the wanted one."""
        names = dict.fromkeys((object.status.hpa_name or "", hpa_name(object)))
        found = [self._found(object.metadata.namespace, name) for name in names]
        return [one for one in found if one is not None and hpa_drift.is_of(one, object.metadata.uid)]


def _version(hpa: Object) -> str:
    return str(hpa["metadata"]["resourceVersion"])


def _name_problem(name: str) -> str | None:
    if is_dns_subdomain(name):
        return None
    wanted = "a lowercase RFC 1123 subdomain: letters, digits, '-' and '.'"
    return f'{NAME_PATH}: "{name}" is not {wanted}'
