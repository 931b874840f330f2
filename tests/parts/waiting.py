"""Waiting for what another process, thread or server brings about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


async def until(look: Callable[[], Found], within_s: float = 2.0) -> Found:
    """The first true answer of `look`; fails when there is none in time."""
    async with asyncio.timeout(within_s):
        while not (found := look()):  # noqa: ASYNC110 (what is looked at may be outside this loop)
            await asyncio.sleep(0.002)
    return found


def wait_until(is_so: Callable[[], bool], what: str, within_s: float) -> None:
    """Returns once it is so; fails with `what` when it does not come about. For code without a loop."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.01)


async def until_so(is_so: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
    """Returns once a server says that it is so."""
    async with asyncio.timeout(within_s):
        while not await is_so():  # noqa: ASYNC110 (the server tells nobody)
            await asyncio.sleep(0.02)
