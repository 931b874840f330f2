"""A receiver of CloudEvents over HTTP: keeps what it was sent, and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web


@dataclass(frozen=True)
class Sent:
    """One request, whatever was answered."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return self.headers.get("ce-type", "")

    @property
    def subject(self) -> str:
        return unquote(self.headers.get("ce-subject", ""))

    @property
    def data(self) -> Any:
        return msgspec.json.decode(self.body)


class EventReceiver:
    """`status` is what it answers next; `taken` are the requests that it answered with 2xx."""

    def __init__(self) -> None:
        self.status = 202
        self.requests: list[Sent] = []
        self.taken: list[Sent] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[EventReceiver]:
        """Serves while the block runs."""
        site = web.Application()
        site.router.add_post("/{path:.*}", self._receive)
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.port = runner.addresses[0][1]
            yield self
        finally:
            await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        sent = Sent(request.path_qs, dict(request.headers), await request.read())
        self.requests.append(sent)
        if 200 <= self.status < 300:
            self.taken.append(sent)
        return web.Response(status=self.status, text="the receiver's own words")

    async def until(self, count: int, within_s: float = 10.0) -> list[Sent]:
        """The requests that were taken, once there are so many."""
        async with asyncio.timeout(within_s):
            while len(self.taken) < count:  # noqa: ASYNC110 (a test may ask for any count)
                await asyncio.sleep(0.01)
        return self.taken
