"""A port for an application of aiohttp's, or the error that says why it is not to be had."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tidegate.base.errors import Misconfigured

if TYPE_CHECKING:
    from aiohttp import web

BACKLOG = 128


async def listening(
    runner: web.AppRunner,
    host: str,
    port: int,
    *,
    otherwise: str,
    context: ssl.SSLContext | None = None,
    backlog: int = BACKLOG,
) -> int:
    """Sets the runner up and listens; no host means every address, port 0 any. The port that was had.

    Misconfigured where the address cannot be had: `otherwise` is what to do then, and the runner has ended.
    """
    from aiohttp import web

    try:
        await runner.setup()
        await web.TCPSite(runner, host or None, port, ssl_context=context, backlog=backlog).start()
    except OSError as error:
        await runner.cleanup()
        raise Misconfigured(
            "listen", on=f"{host}:{port}", answer=error.strerror or str(error), next_step=otherwise
        ) from error
    except BaseException:
        await runner.cleanup()
        raise
    return int(runner.addresses[0][1])
