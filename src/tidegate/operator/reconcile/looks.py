"""Who looks on after a reconcile: nobody, unless the operator stands beside KEDA."""

from __future__ import annotations

from typing import Any, Protocol

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.operator.reconcile.tracker import Tracked


class Looks(Protocol):
    """Compares decisions with what is, where none is carried out."""

    async def looked(
        self, tracked: Tracked, object: ScaledObject | ScaledJob, hpa: dict[str, Any] | None = None
    ) -> None:
        """An object was decided upon; `hpa` is its HPA."""


class Unwatched:
    """Nobody looks."""

    async def looked(
        self, tracked: Tracked, object: ScaledObject | ScaledJob, hpa: dict[str, Any] | None = None
    ) -> None:
        """What was decided is carried out."""
