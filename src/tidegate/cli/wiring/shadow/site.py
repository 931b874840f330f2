"""What an operator beside KEDA tells: its report, and why each object has the number that it would have.

    GET /shadow                                 the report of the last 24 hours
    GET /explain/<plural>/<namespace>/<name>    as `tidegate explain` shows it, with the object's differences

It listens on loopback alone unless another address is given: whoever may forward a port of the pod reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Misconfigured
from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS, ApiError
from tidegate.operator.operator import Operator
from tidegate.operator.shadow.shadow import Shadow
from tidegate.runtime.settings import Listen

if TYPE_CHECKING:
    from aiohttp import web

STOP_S = 1.0
EXPLAINED = {one.plural: one for one in (SCALED_OBJECTS, SCALED_JOBS)}


@asynccontextmanager
async def shadow_site(listen: Listen, operator: Operator, shadow: Shadow) -> AsyncIterator[None]:
    """Serves until the block is left. Misconfigured where the address cannot be had."""
    if listen.port is None:
        yield
        return
    from aiohttp import web

    async def report(request: web.Request) -> web.Response:
        return _json(shadow.report())

    async def explain(request: web.Request) -> web.Response:
        plural, namespace, name = (request.match_info[key] for key in ("plural", "namespace", "name"))
        resource = EXPLAINED.get(plural)
        if resource is None:
            return _json({"message": f"{plural} are not explained"}, 404)
        try:
            found = await operator.explain(resource, namespace, name)
        except ApiError as error:
            return _json({"message": error.message}, error.code)
        return _json({**found, "shadow": shadow.of(resource, namespace, name)})

    site = web.Application()
    site.router.add_get("/shadow", report)
    site.router.add_get("/explain/{plural}/{namespace}/{name}", explain)
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, listen.host or None, listen.port).start()
        except OSError as error:
            raise Misconfigured(
                f"listen on {listen.host}:{listen.port}",
                answer=error.strerror or str(error),
                next_step="choose another address, or end what has it",
            ) from error
        yield
    finally:
        await runner.cleanup()


def _json(value: Any, status: int = 200) -> web.Response:
    import msgspec
    from aiohttp import web

    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
