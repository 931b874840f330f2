"""Splunk Observability Cloud: programs in SignalFlow, listened to over server-sent events.

program → execute → events for as long as the trigger says → all values; the stream is closed, which ends it
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response, read_body
from tidegate.connections.http.packs import Found, PackedConnection
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer
from tidegate.kit.systems.signalflow import Program, SignalflowServer
from tidegate.kit.tls import Tls

if TYPE_CHECKING:
    import aiohttp

LIMIT_BYTES = 8 << 20
LONGEST_LINE = 1 << 20
_PATIENCE_S = 600.0

_STRANGE = "check `realm`: what answers there runs no programs"
_NOTHING = "check the program, and make `duration` longer than the resolution of its metrics"

Event = tuple[str, str]
"""Its kind and its data."""


def connect(server: SignalflowServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return SignalflowConnection(server, surroundings)


class SignalflowConnection(PackedConnection):
    """Answers `Program`s, sixteen at a time: each takes its time."""

    batch = 100
    wake_gap_s = 30.0
    kinds = (Program,)

    def __init__(self, server: SignalflowServer, surroundings: Surroundings) -> None:
        tls = Tls() if server.origin.startswith("https:") else None
        login = HttpLogin((("X-SF-Token", server.token),))
        self._server = HttpServer(server.origin, login, tls, name="Splunk Observability")
        super().__init__(self._server, surroundings)
        self.patience_s = _PATIENCE_S

    async def packed(self, questions: Sequence[Program]) -> Found:
        return {one: await self._values(one) for one in questions}

    async def _values(self, question: Program) -> tuple[float, ...]:
        import aiohttp

        request = HttpRequest(
            self._server,
            "/v2/signalflow/execute",
            method="POST",
            headers=(("Content-Type", "text/plain"), ("Accept", "text/event-stream")),
            body=question.text.encode(),
            limit_bytes=LIMIT_BYTES,
            attempted="run the program",
        )
        stream = await self.client.begin(request)
        try:
            if stream.status != 200:
                raise await self._refusal(stream, request)
            return await self._heard(stream, request, question.duration_s)
        except (aiohttp.ClientError, OSError) as error:
            raise failures.lost(error, request, self.client.timeout_s) from error
        finally:
            stream.close()

    async def _heard(
        self, stream: aiohttp.ClientResponse, request: HttpRequest, duration_s: int
    ) -> tuple[float, ...]:
        values: list[float] = []
        has_any = has_ended = False
        try:
            async with asyncio.timeout(duration_s):
                async for kind, text in _events(stream, request):
                    has_any = True
                    values += _values_in(kind, text, request)
                    has_ended = kind == "control-message" and "END_OF_CHANNEL" in text
                    if has_ended:
                        break
        except TimeoutError:
            if not has_any:
                raise failures.lost(TimeoutError(), request, duration_s) from None
        else:
            if not has_ended:
                raise failures.Silent(
                    request.title(), on=self._server.label(), answer="the stream ended before its time"
                )
        if not values:
            raise failures.unreadable(request, "query returned no data points", next_step=_NOTHING)
        return tuple(values)

    async def _refusal(self, stream: aiohttp.ClientResponse, request: HttpRequest) -> TidegateError:
        async with asyncio.timeout(self.client.timeout_s):
            body = await read_body(stream, request)
        step = "check `accessToken` and `realm`" if stream.status in (401, 403) else ""
        return failures.refusal(Response(stream.status, stream.headers, body), request, step)


async def _events(stream: aiohttp.ClientResponse, request: HttpRequest) -> AsyncIterator[Event]:
    """The events as they come. Malformed where the stream is none, or longer than one could want."""
    if stream.content_type != "text/event-stream":
        raise failures.unreadable(request, "the answer is no stream of events", next_step=_STRANGE)
    size, rest, kind, lines = 0, b"", "message", list[str]()
    async for piece in stream.content.iter_any():
        size += len(piece)
        rest += piece
        if size > LIMIT_BYTES or len(rest) > LONGEST_LINE + len(piece):
            raise failures.unreadable(request, f"more than {LIMIT_BYTES >> 20} MiB came back")
        *whole, rest = rest.split(b"\n")
        for line in whole:
            name, _, text = line.rstrip(b"\r").decode(errors="replace").partition(":")
            if name == "event":
                kind = text.strip()
            elif name == "data":
                lines.append(text.removeprefix(" "))
            elif not name and not text:
                if lines:
                    yield kind, "\n".join(lines)
                kind, lines = "message", []


def _values_in(kind: str, text: str, request: HttpRequest) -> list[float]:
    """The values of one event; none for those that carry no data."""
    if kind == "error" or (kind == "control-message" and "CHANNEL_ABORT" in text):
        raise failures.unreadable(request, "the program failed", text.encode(), "check the program")
    if kind != "data":
        return []
    try:
        document = read_json(text.encode())
    except Unpicked as error:
        raise failures.unreadable(request, str(error), next_step=_STRANGE) from None
    points = document.get("data") if isinstance(document, dict) else None
    if not isinstance(points, list):
        raise failures.unreadable(request, "an event holds no data", next_step=_STRANGE)
    found: list[float] = []
    for point in points:
        value: Any = point.get("value") if isinstance(point, dict) else None
        if type(value) not in (int, float) or not math.isfinite(value):
            answer = "could not convert Splunk Observability metric value to float64"
            raise failures.unreadable(request, answer, next_step="let the program publish numbers")
        found.append(float(value))
    return found
