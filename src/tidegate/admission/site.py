"""The site over TLS that the API server asks: one path per kind, AdmissionReviews in and out."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from tidegate.admission.counters import Counters
from tidegate.admission.judging import Judging
from tidegate.admission.reviews import read_review
from tidegate.admission.webhooks import WEBHOOKS
from tidegate.base.errors import Malformed
from tidegate.runtime.listening import listening

log = logging.getLogger(__name__)

BODY_BYTES = 8 * 1024 * 1024
"""The API server takes objects of 3 MiB; a review of an update has two of them."""
BODY_S = 10.0
STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Served:
    """The port that was had."""

    port: int


@asynccontextmanager
async def serving(
    judging: Judging, counters: Counters, context: ssl.SSLContext, host: str, port: int
) -> AsyncIterator[Served]:
    """Answers until the block is left. Misconfigured where the address cannot be had."""
    site = web.Application(client_max_size=BODY_BYTES)
    serve = _served(judging, counters)
    for webhook in WEBHOOKS:
        site.router.add_post(webhook.path, serve)
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=STOP_S)
    otherwise = "choose another port with --port, or end what has it"
    had = await listening(runner, host, port, otherwise=otherwise, context=context)
    try:
        yield Served(had)
    finally:
        await runner.cleanup()


def _served(judging: Judging, counters: Counters) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
            question = await asyncio.to_thread(read_review, body)
        except Malformed as error:
            counters.unjudged()
            return web.Response(status=400, text=error.answer)
        except TimeoutError:
            counters.unjudged()
            return web.Response(status=408, text=f"the body did not come within {BODY_S:g} s")
        try:
            answer = await judging.answer(question)
        except Exception:
            # The API server goes by the failurePolicy; a defect of ours must not hold up a cluster.
            counters.unjudged()
            log.exception("not judged", extra={"object": f"{question.namespace}/{question.name}"})
            return web.Response(status=500, text="the webhook has a defect, which its log shows")
        return web.Response(body=answer, content_type="application/json")

    return serve
