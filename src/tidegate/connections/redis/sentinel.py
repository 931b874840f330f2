"""Sentinels: they name the master; whether it still is one is asked again with every batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from redis.exceptions import ResponseError

from tidegate.base.errors import Malformed, Misconfigured, Unreachable
from tidegate.connections.redis.link import Command, Cut, Link, reply_error
from tidegate.connections.redis.opening import Opening, first_answer
from tidegate.kit.systems.redis import RedisServer


async def find_master(server: RedisServer, opening: Opening) -> str:
    """The master's `host:port`, as the first sentinel that answers names it."""
    dialling = await opening.dialling()

    async def ask(address: str) -> str:
        link = SentinelLink(address, dialling, server.sentinel_login)
        await link.open()
        try:
            (reply,) = await link.exchange([("SENTINEL", "GET-MASTER-ADDR-BY-NAME", server.master)])
        finally:
            await link.close()
        return _master_address(reply, server.master, link.label)

    return await first_answer([address for address in server.addresses if address], ask)


class SentinelLink(Link):
    """A connection to a sentinel, which has a login of its own."""

    login_settings: ClassVar[tuple[str, str]] = ("sentinelUsername", "sentinelPassword")


class MasterLink(Link):
    """A connection to a master, which it gives up when the node has become a replica."""

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        role, *replies = await super().exchange([("ROLE",), *commands])
        # A user who may not ask for the role is not refused: the failover then shows by a cut.
        if isinstance(role, list) and role and role[0] != b"master":
            await self.close()
            raise Cut(
                "read from the master",
                on=self.label,
                answer=f"it is a {role[0].decode(errors='replace')[:20]} now",
                next_step="the sentinels will be asked for the new master again",
            )
        return replies


def _master_address(reply: Any, master: str, label: str) -> str:
    attempted = f"ask for the master {master}"
    if isinstance(reply, ResponseError):
        if str(reply).startswith("unknown command"):
            raise Misconfigured(
                attempted, on=label, answer="it is no sentinel", next_step="name sentinels in `addresses`"
            )
        raise reply_error(reply, attempted, label)
    if reply is None:
        raise Unreachable(
            attempted,
            on=label,
            answer="the sentinel does not know a master of that name",
            next_step="check `sentinelMaster`",
        )
    if isinstance(reply, list) and len(reply) == 2 and all(isinstance(part, bytes) for part in reply):
        host, port = (part.decode(errors="replace") for part in reply)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    raise Malformed(attempted, on=label, answer=f"a reply of type {type(reply).__name__}")
