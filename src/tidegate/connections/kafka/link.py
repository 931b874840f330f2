"""One connection to one broker: open, log in, exchange requests sent together, close.

Requests and replies are framed here and not by aiokafka's connection: that bounds no reply, dials the name
that TLS is asked about, and logs what it sends, passwords too. Failures become one of our five errors.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from aiokafka.protocol.api import RequestStruct

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.causes import cause_of
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.sasl import Bearer, log_in, refused
from tidegate.kit.systems.kafka import Sasl

LARGEST_REPLY = 32 * 1024 * 1024
OFF_LOOP = 16 * 1024
"""Replies from this size on are read in a thread: some 10 ms of work for a few hundred groups."""

RENEWED_AFTER = 0.8
"""The share of a login's life after which it is made anew, with another connection."""

_SASL_REFUSED, _NO_SUCH_MECHANISM = 58, 33


class Cut(Unreachable):
    """The connection ended while we asked; another one may well work, so it is worth one more try."""


@dataclass(slots=True)
class Traffic:
    """What went over the wire since the adapter was made: requests by their name, connections opened."""

    requests: dict[str, int] = field(default_factory=dict)
    connections: int = 0

    def count(self, request: RequestStruct) -> None:
        name = wire.NAMES.get(request.API_KEY, type(request).__name__)
        self.requests[name] = self.requests.get(name, 0) + 1


@dataclass(frozen=True, slots=True)
class Dialling:
    """How every broker of one server is reached; the time bounds the dial, the login and each exchange.

    `newest` bounds the versions that are spoken, by the request's name: so an older broker is met.
    """

    traffic: Traffic
    around: Surroundings
    sasl: Sasl | None = None
    tls: ssl.SSLContext | None = None
    bearer: Bearer | None = None
    newest: Mapping[str, int] = field(default_factory=dict)


class Link:
    """A connection to `address` (host and port, as the user or the cluster names it)."""

    def __init__(self, address: tuple[str, int], dialling: Dialling) -> None:
        host, port = address
        self.address = address
        self.label = f"Kafka broker {f'[{host}]' if ':' in host else host}:{port}"
        self.versions: dict[int, tuple[int, int]] = {}
        self._dialling = dialling
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._correlation = 0
        self._expires_at = float("inf")
        self._lock = asyncio.Lock()

    @property
    def is_usable(self) -> bool:
        """Open as far as anybody knows, and its login not about to end."""
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            return False
        return self._reader.exception() is None and _now() < self._expires_at

    def best(self, kind: wire.Kind) -> type[Any]:
        """The request to send; Unsupported when the broker speaks no version that we know."""
        found = kind.best(self.versions)
        if found is None:
            raise Unsupported(
                f"send {kind.name}",
                on=self.label,
                answer="the broker speaks no version of this request that is spoken here",
                next_step="brokers from 0.11 on can be asked",
            )
        return found

    async def open(self) -> None:
        """Dial, ask what the broker speaks, log in. Raises one of the five errors."""
        async with self._lock:
            await self._close()
            try:
                async with asyncio.timeout(self._dialling.around.timeout_s):
                    await self._open()
            except (OSError, EOFError, TimeoutError) as error:
                await self._close()
                raise self._lost(error, "open a connection", Unreachable) from error
            except BaseException:
                await self._close()
                raise

    async def exchange(self, requests: Sequence[RequestStruct], *, patience_s: float = 0.0) -> list[Any]:
        """The reply to each request, all of them sent at once. The connection is closed where that fails.

        `patience_s` is how long the broker may wait before it answers.
        """
        async with self._lock:
            try:
                async with asyncio.timeout(self._dialling.around.timeout_s + patience_s):
                    return await self._exchange(requests)
            except (OSError, EOFError, TimeoutError) as error:
                await self._close()
                raise self._lost(error, "ask", Cut) from error
            except BaseException:
                await self._close()
                raise

    async def close(self) -> None:
        await self._close()

    # --- opening

    async def _open(self) -> None:
        host, port = self.address
        dialling = self._dialling
        named = dialling.around.resolve(host)
        if named != host and named not in self.label:
            self.label += f" ({named})"
        secure: dict[str, Any] = {}
        if dialling.tls is not None:
            secure = {"ssl": dialling.tls, "server_hostname": host}
        await self._dial(port, secure)
        dialling.traffic.connections += 1
        self._correlation = 0
        await self._learn_versions()
        if dialling.sasl is not None:
            await self._log_in(dialling.sasl)

    async def _dial(self, port: int, secure: dict[str, Any]) -> None:
        """To the first of the name's permitted addresses that answers."""
        refusal: OSError | None = None
        for dialled in await dialable(self._dialling.around, self.address[0], port):
            try:
                self._reader, self._writer = await asyncio.open_connection(dialled, port, **secure)
                return
            except OSError as error:
                refusal = error
        raise refusal or OSError("it has no address")

    async def _learn_versions(self) -> None:
        (reply,) = await self._exchange([wire.API_VERSIONS.versions[0]()])
        if reply.error_code:
            raise self._malformed(f"its versions cannot be had (error {reply.error_code})")
        newest = {api: self._dialling.newest.get(name) for api, name in wire.NAMES.items()}
        for api, low, high in reply.api_versions:
            bound = newest.get(api)
            self.versions[api] = (low, high if bound is None else min(high, bound))

    async def _log_in(self, sasl: Sasl) -> None:
        (reply,) = await self._exchange([self.best(wire.HANDSHAKE)(sasl.mechanism)])
        if reply.error_code:
            offered = ", ".join(str(one)[:40] for one in (reply.enabled_mechanisms or ())[:8])
            raise Denied(
                "log in",
                on=self.label,
                answer=f"this port does not offer {sasl.mechanism}" + (f" but {offered}" if offered else ""),
                next_step="check `sasl`, and the port in `bootstrapServers`",
            )
        authenticate = self.best(wire.AUTHENTICATE)
        self._expires_at = float("inf")

        async def message(payload: bytes) -> bytes:
            (answer,) = await self._exchange([authenticate(payload)])
            if answer.error_code:
                raise refused(self.label)
            life_s = getattr(answer, "session_lifetime_ms", 0) / 1000
            if life_s > 0:
                self._expires_at = _now() + life_s * RENEWED_AFTER
            return answer.sasl_auth_bytes or b""

        await log_in(sasl, message, self._dialling.bearer, self.label, host=self.address[0])

    # --- the wire

    async def _exchange(self, requests: Sequence[RequestStruct]) -> list[Any]:
        reader, writer = self._reader, self._writer
        if reader is None or writer is None:
            raise EOFError
        sent = []
        for request in requests:
            self._correlation = (self._correlation + 1) % 2**31
            header = request.build_request_header(self._correlation, wire.CLIENT)
            body = header.encode() + request.encode()
            writer.write(len(body).to_bytes(4, "big") + body)
            self._dialling.traffic.count(request)
            sent.append((self._correlation, request))
        return [await self._reply(reader, number, request) for number, request in sent]

    async def _reply(self, reader: asyncio.StreamReader, number: int, request: RequestStruct) -> Any:
        size = int.from_bytes(await reader.readexactly(4), "big", signed=True)
        if not 4 <= size <= LARGEST_REPLY:
            raise self._malformed("what came back is not the Kafka protocol, or too long", is_protocol=True)
        reply = await reader.readexactly(size)
        if int.from_bytes(reply[:4], "big") != number:
            raise self._malformed("what came back answers another request", is_protocol=True)
        try:
            if size >= OFF_LOOP:
                return await asyncio.to_thread(_read, request, reply)
            return _read(request, reply)
        except Exception as error:
            raise self._malformed("its reply cannot be read") from error

    async def _close(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.transport.abort()
            await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    # --- errors

    def _malformed(self, answer: str, *, is_protocol: bool = False) -> Malformed:
        step = "check that the port is a Kafka port, and whether it wants TLS" if is_protocol else ""
        return Malformed("ask", on=self.label, answer=answer, next_step=step)

    def _lost(self, error: BaseException, attempted: str, kind: type[Unreachable]) -> TidegateError:
        answer, is_cut = cause_of(error, self._dialling.around.timeout_s)
        step = "check that the broker runs, and that it advertises an address that is reached from here"
        if is_cut and not self.versions:
            step = "check whether the port wants TLS: such a port says nothing to those who do not speak it"
        elif is_cut and self._dialling.sasl is None:
            step = "check whether the port wants a login, which `sasl` names; and " + step.removeprefix(
                "check "
            )
        return (kind if is_cut else Unreachable)(attempted, on=self.label, answer=answer, next_step=step)


def _read(request: RequestStruct, reply: bytes) -> Any:
    buffer = BytesIO(reply)
    request.parse_response_header(buffer)
    return request.RESPONSE_TYPE.decode(buffer)


def _now() -> float:
    return asyncio.get_running_loop().time()
