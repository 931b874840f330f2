"""Atom documents of the management interface: queues and subscriptions with their counts."""

from __future__ import annotations

from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.picking.xmlevents import XmlEvents

Counts = dict[str, int | None]
"""Active messages by name; None where the service withholds the count."""


def read_entries(body: bytes) -> Counts:
    """The entries of a feed, or the one that the document is. Unpicked where the body is neither."""
    reader = _Entries()
    reader.read(body)
    if reader.root not in ("feed", "entry"):
        raise Unpicked("the answer is no list of queues or subscriptions")
    return reader.counts


class _Entries(XmlEvents):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counts = {}
        self._name: str | None = None
        self._count: int | None = None
        self._is_described = False

    def opened(self) -> None:
        if self.path[-1] == "entry":
            self._name, self._count, self._is_described = None, None, False
        elif self.path[-1] in ("QueueDescription", "SubscriptionDescription"):
            self._is_described = True

    def closed(self, text: str) -> None:
        if self.path[-2:] == ["entry", "title"]:
            self._name = text.strip()
        elif self.path[-2:] == ["CountDetails", "ActiveMessageCount"]:
            self._count = _number(text.strip())
        elif self.path[-1] == "entry" and self._name and self._is_described:
            self.counts[self._name] = self._count


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Unpicked("an ActiveMessageCount is no number")
    return int(text)
