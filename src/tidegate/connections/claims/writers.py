"""The open writers, found by server value, each kept as long as somebody claims from its server."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import tidegate.connections.claims
from tidegate.base.errors import TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.kit.question import Server
from tidegate.kit.systems.claims import Command, Result

# Modules that are no system, one a line.
_NO_SYSTEMS = frozenset(
    {
        "beanstalkd_wire",
        "postgresql_session",
        "postgresql_steps",
        "rabbitmq_channel",
        "rabbitmq_frames",
        "redis_scripts",
        "redis_stream_scripts",
        "sqs",
        "writers",
    }
)


class Writer(Protocol):
    """Carries out commands on one server.

    `carry_out` returns one entry per command, in order: its result or a `TidegateError`. It raises one when
    the server as a whole does not answer; what was carried out then, nobody knows, and may be asked again.
    """

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]: ...

    async def close(self) -> None:
        """Safe when never opened, and safe twice."""


@runtime_checkable
class Leaving(Protocol):
    """A writer that keeps something of each holder, and lets go of it while others go on."""

    async def leave(self, holder: str) -> None: ...


Connect = Callable[[Server, Surroundings], Writer]


class Writers:
    """One writer per server value, made by `connect`; `user` is whoever claims, the holder of its
    commands."""

    def __init__(self, surroundings: Surroundings, connect: Connect | None = None) -> None:
        self._surroundings = surroundings
        self._connect = connect or connected
        self._kept: dict[Server, Writer] = {}
        self._users: dict[str, Server] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def carry_out(self, user: str, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
        """As the writer of the commands' server does; all are for one."""
        server = commands[0].source.server
        if self._users.get(user) != server:
            await self.leave(user)
            self._users[user] = server
        writer = self._kept.get(server)
        if writer is None:
            writer = self._kept[server] = self._connect(server, self._surroundings)
        return await writer.carry_out(commands)

    async def leave(self, user: str) -> None:
        """The user claims no more: a writer that nobody needs is closed."""
        server = self._users.pop(user, None)
        if server is None:
            return
        if server not in self._users.values():
            writer = self._kept.pop(server, None)
            if writer is not None:
                await writer.close()
            return
        shared: object = self._kept.get(server)
        if isinstance(shared, Leaving):
            await shared.leave(user)

    async def close(self) -> None:
        """Close all; safe twice."""
        self._users.clear()
        while self._kept:
            _, writer = self._kept.popitem()
            await writer.close()


def connected(server: Server, surroundings: Surroundings) -> Writer:
    """The writer of the server's system, which touches no network yet. Unsupported where there is none."""
    if server.system not in systems():
        raise Unsupported("claim messages", on=server.label(), answer=f"{server.system} has no claims here")
    module = importlib.import_module(f"{tidegate.connections.claims.__name__}.{server.system}")
    try:
        writer: Writer = module.connect(server, surroundings)
    except ModuleNotFoundError as error:
        raise Unsupported(
            "claim messages",
            on=server.label(),
            answer=f"the Python package {error.name} is not installed",
            next_step=f"install tidegate[{server.system}]",
        ) from error
    return writer


def systems() -> set[str]:
    """The systems that messages can be claimed from."""
    return {
        module.name for module in pkgutil.iter_modules(tidegate.connections.claims.__path__)
    } - _NO_SYSTEMS
