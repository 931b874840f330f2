"""The dashboard beside an operator, until the block is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tidegate.operator.operator import Operator
from tidegate.runtime.settings import Listen


@asynccontextmanager
async def dashboard(
    operator: Operator,
    listen: Listen,
    token: Callable[[], str],
    title: str,
    standby: Callable[[], str] | None = None,
) -> AsyncIterator[int]:
    """The port that it has. Misconfigured where the address cannot be had. `standby`: see `About`."""
    from aiohttp import web

    from tidegate.dashboard.entrance import Entrance
    from tidegate.dashboard.site import About, Site
    from tidegate.operator.showing.view import OperatorView
    from tidegate.runtime.listening import listening

    view = OperatorView(operator)
    about = About(title, standby is None, standby or (lambda: ""))
    site = Site(view, Entrance(token), about, operator.clock)
    runner = web.AppRunner(site.app(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    otherwise = (
        "choose another address for the dashboard (--dashboard-port of `tidegate up`, "
        "--dashboard-bind-address of `tidegate operator`), or end what has it"
    )
    port = await listening(runner, listen.host, listen.port or 0, otherwise=otherwise)
    looking = asyncio.create_task(view.run(), name="dashboard")
    try:
        yield port
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await site.close()
        await runner.cleanup()
