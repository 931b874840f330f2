"""The open connections, found by server value: equal servers share one adapter.

A rotated secret is another value, hence another connection. Whoever stops using an adapter closes
it (the rounds do so when nobody has asked for a while); the pool forgets it then.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import tidegate.connections
from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.question import Question, Server
from tidegate.telemetry.metrics.http_traffic import HttpTraffic

# Modules that are no system, one a line.
_NO_SYSTEMS = frozenset(
    {
        "adapter",
        "addresses",
        "azure_answers",
        "causes",
        "claims",
        "feeds",
        "granting",
        "grants",
        "grpc_channel",
        "grpc_health",
        "identities",
        "identity_logins",
        "lookups",
        "mongodb_aws",
        "pool",
        "queries",
        "tls",
        "tls_policy",
    }
)

Connect = Callable[[Server, Surroundings], Adapter]
_brought: dict[str, Connect] = {}


def bring(system: str, connect: Connect) -> None:
    """A system of another package, for this process. ValueError where the name is taken."""
    if system in systems() and _brought.get(system) is not connect:
        raise ValueError(f'the system "{system}" has a connection already')
    _brought[system] = connect


def send_back() -> None:
    """Forget all systems of other packages."""
    _brought.clear()


class Kept:
    """An adapter of the pool; closing it takes it out. `adapter` is the system's own, `http` its traffic."""

    def __init__(self, adapter: Adapter, http: HttpTraffic, forget: Callable[[Kept], None]) -> None:
        self.adapter = adapter
        self.http = http
        self.batch = adapter.batch
        self.wake_gap_s = adapter.wake_gap_s
        self.patience_s: float = getattr(adapter, "patience_s", 0.0)
        self._forget = forget

    @property
    def round_trips(self) -> int | None:
        """See `Counted`; None where the system's connection does not count."""
        return getattr(self.adapter, "round_trips", None)

    @property
    def connections(self) -> int | None:
        """See `Counted`; None where the system's connection does not count."""
        return getattr(self.adapter, "connections", None)

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        return await self.adapter.answer(questions)

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """See `Watchable`; Unsupported where the system's connection has no watches."""
        watch = getattr(self.adapter, "watch", None)
        if watch is None:
            raise Unsupported("watch", on=question.server.label(), answer="its connection cannot be watched")
        await watch(question, pushed)

    def is_watching(self, question: Question) -> bool:
        """Whether the server has taken the watch; of a system that does not say, True."""
        is_watching = getattr(self.adapter, "is_watching", None)
        return is_watching is None or bool(is_watching(question))

    async def close(self) -> None:
        self._forget(self)
        await self.adapter.close()


class Connections:
    """One adapter per server value; the module of a system is imported with its first server."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._kept: dict[Server, Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Kept]:
        return iter(tuple(self._kept.values()))

    def adapter(self, server: Server) -> Kept:
        """The server's adapter, made but not opened. Unsupported when its system is unknown here."""
        kept = self._kept.get(server)
        if kept is None:
            http = HttpTraffic()
            adapter = self._connect(server, replace(self._surroundings, http=http))
            kept = Kept(adapter, http, lambda closed: self._forget(server, closed))
            self._kept[server] = kept
        return kept

    def _forget(self, server: Server, closed: Kept) -> None:
        if self._kept.get(server) is closed:
            del self._kept[server]

    async def close(self) -> None:
        """Close all connections; safe twice, and a question afterwards opens anew."""
        for kept in list(self._kept.values()):
            await kept.close()

    def _connect(self, server: Server, surroundings: Surroundings) -> Adapter:
        if server.system not in systems():
            raise Unsupported(
                "connect",
                on=server.label(),
                answer=f'there is no connection for the system "{server.system}"',
            )
        try:
            return _connect_of(server.system)(server, surroundings)
        except ModuleNotFoundError as error:
            raise Unsupported(
                "connect",
                on=server.label(),
                answer=f"the Python package {error.name} is not installed",
                next_step=f"install tidegate[{server.system}]",
            ) from error


def _connect_of(system: str) -> Connect:
    if system in _brought:
        return _brought[system]
    connect: Connect = importlib.import_module(f"{tidegate.connections.__name__}.{system}").connect
    return connect


def systems() -> set[str]:
    """The systems that can be asked, each with its client library."""
    built_in = {module.name for module in pkgutil.iter_modules(tidegate.connections.__path__)} - _NO_SYSTEMS
    return built_in | set(_brought)
