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
    """What messages are claimed from. Equal ones are the same queue, whatever else they say of how it is
    claimed from: claims of the one are claims of the other.
    """

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
    of messages that have none of their own. `receipts` are those that the source has given, by identity: of
    the messages asked about, and with a `Take(0)` of those that Jobs work on and the asker knows nothing of.
    `body` is that of a message that is put aside, None where it is not known any more.
    """

    source: Source
    holder: str
    lease_s: float
    ask: Ask
    known: tuple[str, ...] = ()
    nonce: str = ""
    receipts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)

    def receipt(self, id: str) -> str:
        """The receipt of a message, "" without one."""
        return next((one for name, one in self.receipts if name == id), "")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message: its identity, its body as it is, how many of its Jobs have ended, what else is said.

    A `receipt` is what the source wants to see with every later command about it; it stands on the Job, where
    a restart finds it.
    """

    id: str
    body: bytes = field(repr=False)
    finished: int = 0
    attributes: tuple[tuple[str, str], ...] = ()
    receipt: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What came of a `Take`. `has_more`: the answer was full. `retry_s`: till a released one is due.

    `gone` are identities of claimed messages whose bodies somebody else has removed: no Job can carry them.
    `held` are those of the command's receipts that are good, each with the one it has now: of a source that
    cannot list what we hold, and tells no body twice. `told` is what somebody should know of the source.
    """

    items: tuple[Delivery, ...] = ()
    has_more: bool = False
    retry_s: float | None = None
    gone: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    told: str = ""


@dataclass(frozen=True, slots=True)
class Renewals:
    """What came of a `Renew`: those that are not ours any more, and receipts that are others now. Of those
    that are `late` nothing is known yet: the time was too short, or their answer did not come.
    """

    lost: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    receipts: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of any other. `is_elsewhere`: the message is somebody else's now, and nothing was done.
    `is_uncounted`: the source does not keep how many Jobs have ended.
    """

    is_elsewhere: bool = False
    is_uncounted: bool = False


@dataclass(frozen=True, slots=True)
class NotYet:
    """The receipt is of no use any more, and the message is still there. Nothing was done: it comes again,
    with another one.
    """


Result = Deliveries | Renewals | Done | NotYet
