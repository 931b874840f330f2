"""A plain HTTP site for probes and metrics: each path is answered by a callable of the program.

async with plain_site(settings.probe_address, {"/healthz": lambda headers: Page(b"ok"), …}):
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.runtime.listening import listening
from tidegate.runtime.settings import Listen

if TYPE_CHECKING:
    from aiohttp import web

STOP_S = 1.0
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered; a long body may come in slices, so that no answer holds the loop."""

    body: bytes | AsyncIterable[bytes]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": PLAIN})


Answer = Callable[[Mapping[str, str]], Page]
"""Gets the headers of the request, by their names in any case."""


@asynccontextmanager
async def plain_site(listen: Listen, pages: Mapping[str, Answer]) -> AsyncIterator[None]:
    """Serves `pages` by path until the block is left. Misconfigured where the address cannot be had."""
    if not pages:
        yield
        return
    from aiohttp import web

    site = web.Application()
    for path, answer in pages.items():
        site.router.add_get(path, _served(answer))
    async with served(site, listen):
        yield


@asynccontextmanager
async def served(site: web.Application, listen: Listen) -> AsyncIterator[None]:
    """Serves it without TLS until the block is left, where there is an address for it."""
    if listen.port is None:
        yield
        return
    from aiohttp import web

    runner = web.AppRunner(site, access_log=None, shutdown_timeout=STOP_S)
    otherwise = "choose another address, or end what has it"
    await listening(runner, listen.host, listen.port, otherwise=otherwise)
    try:
        yield
    finally:
        await runner.cleanup()


def _served(answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    from aiohttp import web

    async def serve(request: web.Request) -> web.StreamResponse:
        page = answer(request.headers)
        if request.method == "HEAD":
            return web.Response(status=page.status, headers=page.headers)
        if isinstance(page.body, bytes):
            return web.Response(body=page.body, status=page.status, headers=page.headers)
        response = web.StreamResponse(status=page.status, headers=page.headers)
        parts = aiter(page.body)
        # What cannot be told at all is an error, and not an answer that breaks off.
        first = await anext(parts, b"")
        await response.prepare(request)
        await response.write(first)
        async for part in parts:
            await response.write(part)
        await response.write_eof()
        return response

    return serve
