"""Which fields of a status the cluster's definition of a kind does not keep: one older than this operator.

The server drops them without a word, so that each look would write them again. What is written beside them
takes them along: a definition that is newer by then shows at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from tidegate.kube.resource import Resource

log = logging.getLogger(__name__)

Object = dict[str, Any]


class KeptFields:
    """Learns from what comes back of each write."""

    def __init__(self) -> None:
        self._dropped: dict[Resource, frozenset[str]] = {}

    def is_worth(self, resource: Resource, status: Iterable[str]) -> bool:
        """Whether writing these fields changes anything."""
        dropped = self._dropped.get(resource, frozenset())
        return any(name not in dropped for name in status)

    def wrote(self, resource: Resource, status: Object, after: Object) -> None:
        """What was to be in the status, and the object as the server has it then ({} of a writer that writes
        nothing). What it does not keep is told once."""
        if not after:
            return
        kept = after.get("status") or {}
        before = self._dropped.get(resource, frozenset())
        dropped = {name for name, value in status.items() if value is not None and name not in kept}
        news = dropped - before
        if news:
            log.warning(
                "status fields are not kept: apply the definitions of this release",
                extra={"resource": resource.plural, "fields": ", ".join(sorted(news))},
            )
        self._dropped[resource] = (before | dropped) - kept.keys()
