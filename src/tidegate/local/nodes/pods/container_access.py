"""How the node reaches a container from outside: its ports and commands, for probes and hooks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[str, int, ssl.SSLContext | None], Awaitable[Streams]]


async def dial(host: str, port: int, tls: ssl.SSLContext | None) -> Streams:
    """The one place where probes and hooks open a connection."""
    return await asyncio.open_connection(host, port, ssl=tls)


@dataclass(frozen=True, slots=True)
class Access:
    """`run` executes a command in the container: (exit code, output) within seconds, None for no limit."""

    address: str
    ports: Mapping[str, int]
    run: Callable[[list[str], float | None], Awaitable[tuple[int, str]]]
    dial: Dial = dial

    def port(self, wanted: Any) -> int:
        """The number of a port that may be given by its name. ValueError when there is none."""
        text = str(wanted)
        number = self.ports.get(text, text)
        if not str(number).isdecimal() or not 0 < int(number) < 65_536:
            raise ValueError(
                f"invalid port number: {number}" if text.isdecimal() else f"port {text} not found"
            )
        return int(number)


def named_ports(container: Mapping[str, Any]) -> dict[str, int]:
    return {one["name"]: one["containerPort"] for one in container.get("ports") or [] if one.get("name")}
