"""IBM MQ: how many messages are on a local queue, by the administrative REST API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.kit.tls import Tls


@dataclass(frozen=True, slots=True)
class MqServer:
    """The MQSC endpoint of a queue manager (`…/admin/action/qmgr/QM1/mqsc`), by its whole URL."""

    system: ClassVar[str] = "ibmmq"

    origin: str
    path: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    tls: Tls | None = None

    def label(self) -> str:
        return f"IBM MQ {self.origin}{self.path}"


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """`CURDEPTH` of a local queue; of the first one where the name has a `*`."""

    server: MqServer
    queue: str


def combined(depths: tuple[int, ...], operation: str) -> int:
    """The depths of several queues as one; an average is a whole number."""
    if operation == "max":
        return max(depths)
    return sum(depths) if operation == "sum" else sum(depths) // len(depths)
