"""Selenium Grid: the state of a grid as its GraphQL endpoint tells it, and what a trigger needs of it.

Source: Selenium, "GraphQL querying support for Grid".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.selenium_platforms import is_same_platform

QUERY = (
    "{ grid { sessionCount, maxSession, totalSlots }, nodesInfo { nodes { id, status, sessionCount, "
    "maxSession, slotCount, stereotypes, sessions { id, capabilities, slot { id, stereotype } } } }, "
    "sessionsInfo { sessionQueueRequests } }"
)
BODY = json.dumps({"query": QUERY}).encode()

DOWNLOADS = "se:downloadsEnabled"
_VENDORS = ("goog:", "moz:", "ms:", "se:")

Capabilities = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """`stereotypes` are (slots, capabilities); `sessions` those of the slots that sessions run in."""

    is_up: bool
    session_count: int
    max_session: int
    stereotypes: tuple[tuple[int, Capabilities], ...] = ()
    sessions: tuple[Capabilities, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """`requests` are the capabilities that wait for a session, in the order of the queue."""

    nodes: tuple[Node, ...] = ()
    requests: tuple[Capabilities, ...] = ()


@dataclass(frozen=True, slots=True)
class GridState:
    """A pick: the whole answer as a `Grid`. What is no JSON inside of it fits no trigger."""

    format: ClassVar[str] = "json"

    @staticmethod
    def read(body: bytes) -> Grid:
        document = read_json(body)
        found = document.get("data") if isinstance(document, dict) else None
        if not isinstance(found, dict):
            raise Unpicked("the answer holds no data: check that the URL is the grid's /graphql")
        try:
            nodes = tuple(_node(one) for one in found["nodesInfo"]["nodes"] or ())
            waiting = found["sessionsInfo"]["sessionQueueRequests"] or ()
            return Grid(nodes, tuple(_decoded(text) for text in waiting))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unpicked("the answer has not the shape of a grid's state") from error

    def of(self, document: Grid) -> Grid:
        return document


@dataclass(frozen=True, slots=True)
class Browser:
    """What a trigger's nodes offer; `others` are further capabilities, `sessions_max` those of one node."""

    name: str = ""
    session_name: str = ""
    version: str = ""
    platform: str = ""
    others: tuple[tuple[str, Any], ...] = field(default=(), compare=False)
    has_downloads: bool = True
    sessions_max: int = 1

    def needed(self, grid: Grid) -> int:
        """Nodes to be started for what waits, and the sessions that run.

        Source: KEDA, selenium-grid scaler: each request takes a free slot, then one of a node to be started.
        """
        left: dict[int, int] = {}
        spare, planned = 0, 0
        for request in grid.requests:
            if not self.fits(request, self.name):
                continue
            if self._is_served(grid, left):
                continue
            if spare:
                spare -= 1
                continue
            planned += 1
            spare += self.sessions_max - 1
        return planned + sum(self._running(node) for node in grid.nodes)

    def fits(self, offered: Capabilities, name: str) -> bool:
        """Whether a request or a stereotype is one of this browser's, under this name."""
        called, version, platform = (
            offered.get(key) or "" for key in ("browserName", "browserVersion", "platformName")
        )
        if not all(isinstance(text, str) for text in (called, version, platform)):
            return False
        if called.casefold() != name.casefold() or not is_same_platform(platform, self.platform):
            return False
        if bool(version) != bool(self.version) or not self.version.startswith(version):
            return False
        if offered.get(DOWNLOADS) is True and not self.has_downloads:
            return False
        return all(
            key in offered and offered[key] == value
            for key, value in self.others
            if not key.startswith(_VENDORS)
        )

    def _is_served(self, grid: Grid, left: dict[int, int]) -> bool:
        """Takes a free slot of a node that is up, if there is one."""
        for number, node in enumerate(grid.nodes):
            rest = left.get(number, node.max_session - node.session_count)
            if not node.is_up or rest <= 0:
                continue
            slots = sum(count for count, one in node.stereotypes if self._is_stereotype(one))
            if slots and slots > self._running(node):
                left[number] = rest - 1
                return True
        return False

    def _running(self, node: Node) -> int:
        return sum(self._is_stereotype(one) for one in node.sessions)

    def _is_stereotype(self, offered: Capabilities) -> bool:
        return self.fits(offered, self.name) or self.fits(offered, self.session_name)


NOTHING: Capabilities = {"browserName": 0}
"""Fits no browser."""


def _node(entry: Any) -> Node:
    stereotypes = []
    for one in msgspec.json.decode(entry.get("stereotypes") or "[]"):
        stereotypes.append((int(one["slots"]), _mapping(one["stereotype"])))
    sessions = tuple(
        _decoded((session.get("slot") or {}).get("stereotype")) for session in entry.get("sessions") or ()
    )
    is_up = str(entry.get("status")).upper() == "UP"
    return Node(is_up, int(entry["sessionCount"]), int(entry["maxSession"]), tuple(stereotypes), sessions)


def _decoded(text: Any) -> Capabilities:
    try:
        return _mapping(msgspec.json.decode(text))
    except (msgspec.DecodeError, TypeError, ValueError, RecursionError):
        return NOTHING


def _mapping(value: Any) -> Capabilities:
    return value if isinstance(value, dict) else NOTHING
