"""A program of the cluster from its start to its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager

from tidegate import __version__
from tidegate.runtime.loop import stop_signals

log = logging.getLogger(__name__)


async def until_stopped(name: str, running: AbstractAsyncContextManager[asyncio.Task[None]]) -> None:
    """Runs it until SIGTERM or SIGINT, or until its work has ended: then its error is raised."""
    stopping = stop_signals()
    log.info("program starts", extra={"program": name, "version": __version__})
    async with running as work:
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait([stopped, work], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if work.done():
            work.result()
    log.info("program stopped", extra={"program": name})
