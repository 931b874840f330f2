"""Telling users what a controller did. An event that cannot be written never stops the work."""

from __future__ import annotations

import logging

from tidegate.kube.resource import ApiError
from tidegate.local.objects import Object, Objects

log = logging.getLogger(__name__)


def is_ending_namespace(error: ApiError) -> bool:
    """Whether a create was refused because its namespace is being deleted."""
    causes = error.details.get("causes") or []
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


class Events:
    """Events in the name of one controller (`source`)."""

    def __init__(self, objects: Objects, source: str) -> None:
        self.objects = objects
        self.source = source

    async def normal(self, about: Object, reason: str, message: str) -> None:
        try:
            await self.objects.event(about, "Normal", reason, message, self.source)
        except ApiError as error:
            log.debug("event not written", extra={"reason": reason, "error": str(error)})

    async def warn(self, about: Object, reason: str, message: str) -> None:
        try:
            await self.objects.event(about, "Warning", reason, message, self.source)
        except ApiError as error:
            log.debug("event not written", extra={"reason": reason, "error": str(error)})

    async def create_failed(self, about: Object, error: ApiError) -> None:
        """Why no Pod appears. A namespace that is going away needs no explanation."""
        if not is_ending_namespace(error):
            await self.warn(about, "FailedCreate", f"Error creating: {error}")
