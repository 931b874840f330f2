"""The commands of claimed work: the only values of kit that change anything at a server.

A source is a frozen value that names its server and what messages are claimed from; its commands are carried
out by `tidegate.connections.claims.<system>`, one list per server, for a ScaledJob that claims and for nobody
else. Every command may be repeated: what was done before changes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from tidegate.core.claims.values import Ask
from tidegate.kit.question import Server


@runtime_checkable
class Source(Hashable, Protocol):
    """What messages are claimed from."""

    @property
    def server(self) -> Server: ...

    def label(self) -> str:
        """The source for people ("list jobs of Redis redis:6379"); never a secret."""

    def aside(self) -> str:
        """Where dead letters go, for people."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is asked of a source in the name of `holder`, for leases of `lease_s`.

    `known` are the messages that the asker knows it holds; `nonce` is new with each command, for identities
    of messages that have none of their own.
    """

    source: Source
    holder: str
    lease_s: float
    ask: Ask
    known: tuple[str, ...] = ()
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message: its identity, its body as it is, how many of its Jobs have ended, what else is said."""

    id: str
    body: bytes = field(repr=False)
    finished: int = 0
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What came of a `Take`. `has_more`: the answer was full. `retry_s`: till a released one is due.

    `gone` are identities of claimed messages whose bodies somebody else has removed: no Job can carry them.
    """

    items: tuple[Delivery, ...] = ()
    has_more: bool = False
    retry_s: float | None = None
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewals:
    """What came of a `Renew`: those that are not ours any more."""

    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What came of any other. `is_elsewhere`: the message is somebody else's now, and nothing was done."""

    is_elsewhere: bool = False


Result = Deliveries | Renewals | Done
