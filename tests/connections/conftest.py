"""Real Redis servers on loopback, and a proxy in front of them that can stall, cut and garble."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from parts.claimant import Claimant, Claimants
from parts.proxy import Proxy
from parts.redis_servers import RedisProcess, starting


@pytest.fixture(scope="module")
def start_redis() -> Iterator[Callable[..., RedisProcess]]:
    """Starts servers, which end with the module."""
    with starting() as start:
        yield start


@pytest.fixture
async def proxy_for() -> AsyncIterator[Callable[[int], Any]]:
    """Starts proxies: `proxy = await proxy_for(port)`; they end with the test."""
    async with AsyncExitStack() as stack:

        async def start(port: int) -> Proxy:
            return await stack.enter_async_context(Proxy(port).running())

        yield start


@pytest.fixture
async def claimants() -> AsyncIterator[Claimants]:
    """Makes claimants of any source, which are closed with the test."""
    async with AsyncExitStack() as stack:

        def make(*arguments: Any, **fields: Any) -> Claimant:
            one = Claimant(*arguments, **fields)
            stack.push_async_callback(one.close)
            return one

        yield make
