"""What an adapter is: an open connection to one server that answers lists of questions.

`tidegate.connections.<system>` has `connect(server, surroundings)`, which returns an `Adapter` and
touches no network: the first `answer` does. Client libraries are imported inside functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tidegate.connections.addresses import ANYWHERE, AddressPolicy
from tidegate.connections.tls_policy import USUAL, TlsPolicy
from tidegate.kit.question import Question
from tidegate.telemetry.metrics.http_traffic import HttpTraffic

if TYPE_CHECKING:
    from tidegate.connections.granting import Granting
    from tidegate.connections.grants import Granted

Resolve = Callable[[str], str]


def same_name(host: str) -> str:
    return host


def no_proxy(url: str) -> str:
    return ""


class ObjectChanges(Protocol):
    """Who is told when objects of Kubernetes change. `watch` calls `pushed` for each change of what answers
    the question, until it is cancelled; `is_watching` says whether it would now.
    """

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None: ...

    def is_watching(self, question: Question) -> bool: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an adapter gets from outside.

    `resolve` turns a host name into the address to dial (local mode knows Service names); `policy` says
    which addresses may be dialled (`addresses.dialable` applies both, for whoever dials TCP itself);
    `objects` answers Kubernetes questions from the watch caches, `changes` tells of what those caches
    hear; `timeout_s` bounds one answer, `queries_s` that of a database, where counting may take long.
    `proxy_of` names the HTTP proxy through which a URL is asked, "" for none; Services of local mode are
    asked directly. `tls` holds for every connection with TLS; without `keeps_alive` each HTTP request has
    a connection of its own. `http` counts requests over HTTP, where somebody wants to know. `identities`
    are what a server's `Identity` comes to, `account_token` gives a token of a ServiceAccount by
    namespace, name, audience ("": the API server's own) and seconds; None where nobody can be asked.
    """

    resolve: Resolve = same_name
    objects: Callable[[Any], Awaitable[Any]] | None = None
    changes: ObjectChanges | None = None
    timeout_s: float = 3.0
    policy: AddressPolicy = ANYWHERE
    queries_s: float = 9.0
    proxy_of: Callable[[str], str] = no_proxy
    tls: TlsPolicy = USUAL
    keeps_alive: bool = True
    http: HttpTraffic | None = None
    identities: Granting | None = None
    account_token: Callable[[str, str, str, int], Awaitable[Granted[str]]] | None = None


class Adapter(Protocol):
    """`answer` returns one entry per question, in order: the answer or a `TidegateError` value.

    It raises `Unreachable` or `Denied` when the server as a whole cannot answer; the round turns
    that into one failure for everybody. A bad question fails alone. An `Unreachable` with a
    `retry_after_s`, raised or among the entries, lets the server rest for that long.

    An adapter whose call may last longer than the rounds' usual bound says so in `patience_s` (optional).
    """

    batch: int
    """Questions per call at most; the round splits longer lists."""

    wake_gap_s: float
    """Least time between a wake-up and the answer before it; 0.25 where calls cost nothing."""

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]: ...

    async def close(self) -> None:
        """Safe when never opened, and safe twice."""


class Counted(Protocol):
    """An adapter that counts its traffic since it was made: what tests and benchmarks hold it to."""

    @property
    def round_trips(self) -> int:
        """What was sent at once and waited for: a request, a pipeline, a batch."""

    @property
    def connections(self) -> int:
        """Connections opened."""


@runtime_checkable
class Watchable(Adapter, Protocol):
    """An adapter whose server can say that something has changed."""

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """Calls `pushed` whenever the server tells of news; returns when the server ends the watch.

        Raises a `TidegateError` when it is lost, `Unsupported` where the server does not offer it. It runs
        beside `answer`, is cancelled when nobody wants it any more, and never opens itself again.

        An adapter that knows when the server has taken a watch says so in `is_watching(question)` (optional).
        """
