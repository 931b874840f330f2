"""Opening a connection: the server greets, then TLS where it is wanted, then the login."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tidegate.base.addresses import split_address
from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.causes import cause_of
from tidegate.connections.nats.login import hello
from tidegate.connections.nats.wire import Wire, denied, strange
from tidegate.connections.tls import shared_context
from tidegate.kit.systems.nats_client import NatsServer

_CONNECT = "connect"
# A greeting names all nodes of a cluster.
_LINE_BYTES = 2**20
_USUAL_BYTES = 2**20

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(server: NatsServer, surroundings: Surroundings) -> Wire:
    """A connection that is logged in: to the first of the server's addresses that answers."""
    label, limit_s = server.label(), surroundings.timeout_s
    failure: TidegateError | None = None
    for address in server.addresses:
        host, port = split_address(address)
        try:
            for dialled in await dialable(surroundings, host, port):
                try:
                    async with asyncio.timeout(limit_s):
                        return await _greeted(server, surroundings, (dialled, port), host)
                except (OSError, EOFError, TimeoutError) as error:
                    failure = failure or _unreachable(label, error, limit_s)
        except Denied:
            raise
        except TidegateError as error:
            failure = failure or error
    assert failure is not None
    raise failure


async def _greeted(server: NatsServer, surroundings: Surroundings, at: tuple[str, int], host: str) -> Wire:
    label = server.label()
    reader, writer = await asyncio.open_connection(*at, limit=_LINE_BYTES)
    try:
        greeting = await _greeting(reader, label)
        if server.is_tls and not (greeting.get("tls_required") or greeting.get("tls_available")):
            step = "name it as nats://, or switch TLS on there"
            raise Unreachable(_CONNECT, on=label, answer="it speaks no TLS on this port", next_step=step)
        if server.is_tls or greeting.get("tls_required"):
            context = await shared_context(server.tls, surroundings.tls)
            await writer.start_tls(context, server_hostname=host)
        nonce = greeting.get("nonce")
        writer.write(hello(server.login, nonce if isinstance(nonce, str) else "") + b"PING\r\n")
        await _welcome(reader, label)
    except BaseException:
        writer.transport.abort()
        await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn
        raise
    most = greeting.get("max_payload")
    most_bytes = most if isinstance(most, int) and most > 0 else _USUAL_BYTES
    return Wire((reader, writer), label, surroundings.timeout_s, most_bytes)


async def _greeting(reader: asyncio.StreamReader, label: str) -> dict[str, Any]:
    word, _, rest = (await _line(reader, label)).partition(b" ")
    try:
        greeting = json.loads(rest) if word.upper() == b"INFO" else None
    except ValueError:
        greeting = None
    if not isinstance(greeting, dict):
        raise strange(label)
    return greeting


async def _welcome(reader: asyncio.StreamReader, label: str) -> None:
    """Returns when the server has taken the login."""
    while True:
        line = (await _line(reader, label)).upper()
        if line == b"PONG":
            return
        if line.startswith(b"-ERR"):
            if b"MAXIMUM" in line:
                raise Unreachable(_CONNECT, on=label, answer="it takes no more connections")
            raise denied(label)
        if not line.startswith((b"+OK", b"INFO", b"PING")):
            raise strange(label)


async def _line(reader: asyncio.StreamReader, label: str) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except asyncio.LimitOverrunError as error:
        raise strange(label) from error


def _unreachable(label: str, error: BaseException, limit_s: float) -> Unreachable:
    step = "check that the server runs and that host and port are the clients' (4222)"
    answer = cause_of(error, limit_s)[0]
    if isinstance(error, EOFError):
        answer = "the connection was closed"
    failed = Unreachable(_CONNECT, on=label, answer=answer, next_step=step)
    failed.__cause__ = error
    return failed
