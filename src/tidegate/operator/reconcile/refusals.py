"""What the API server refuses of our requests: it stands in Ready, in the server's words, until it is taken.

A reconcile that came to a decision tells it among whatever else is wrong, from the next one on. One that was
refused before that tells it alone.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from tidegate.base.errors import Failure
from tidegate.core.values import EmitEvent
from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS, ApiError
from tidegate.operator.cluster.writer import REFUSED, Place, is_refusal, may_pass
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Key

# A quarter of a second doubles to sixteen.
MOST_CONFLICTS = 6
STAGE = "the API server refuses what this needs"


class Refusals:
    """Told how a reconcile ends."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self._conflicts: Counter[Key] = Counter()

    def conflicts(self, key: Key) -> int:
        """One more reconcile met a conflict, since what is seen is behind: how many there were before in a
        row, up to `MOST_CONFLICTS`. Whatever is seen next ends the wait."""
        before = self._conflicts[key]
        self._conflicts[key] = min(before + 1, MOST_CONFLICTS)
        return before

    def decided_at(self, key: Key) -> datetime | None:
        """When something was last decided about the object."""
        tracked = self.steps.tracker.by_key.get(key)
        return tracked.decided_at if tracked is not None else None

    async def met(self, key: Key, error: ApiError, before: datetime | None) -> None:
        """A reconcile ended with this error; `before` is when something had last been decided."""
        if key[0] not in (SCALED_OBJECTS, SCALED_JOBS) or may_pass(error) or not is_refusal(error):
            return
        text = f"{STAGE}: {error}"
        tracked = self.steps.tracker.by_key.get(key)
        if tracked is not None and tracked.decided_at != before:
            if tracked.refusal != text:
                tracked.refusal = text
                self.steps.again(key, 0.0)
            return
        object = self.steps.informers.get(*key)
        if object is None:
            return
        place = Place(*key, object.metadata.uid)
        try:
            await self.steps.unready(place, object, Failure("Denied", text))
        except REFUSED:
            event = EmitEvent("Warning", f"{place.resource.kind}CheckFailed", text)
            await self.steps.writer.event(place, event)

    def over(self, key: Key) -> None:
        """A reconcile went through."""
        self._conflicts.pop(key, None)
        tracked = self.steps.tracker.by_key.get(key)
        if tracked is not None and tracked.refusal:
            tracked.refusal = ""
            self.steps.again(key, 0.0)
