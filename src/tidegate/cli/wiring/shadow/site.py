"""What an operator beside KEDA tells: its report, and why each object has the number that it would have.

    GET /shadow                                 the report of the last 24 hours
    GET /explain/<plural>/<namespace>/<name>    as `tidegate explain` shows it, with the object's differences

It listens on loopback alone unless another address is given: whoever may forward a port of the pod reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tidegate.cli.wiring.probe_site import served
from tidegate.kube.resource import ApiError
from tidegate.operator.explain.asked import asked
from tidegate.operator.operator import Operator
from tidegate.operator.shadow.shadow import Shadow
from tidegate.runtime.settings import Listen

if TYPE_CHECKING:
    from aiohttp import web


@asynccontextmanager
async def shadow_site(listen: Listen, operator: Operator, shadow: Shadow) -> AsyncIterator[None]:
    """Serves until the block is left. Misconfigured where the address cannot be had."""
    from aiohttp import web

    async def report(request: web.Request) -> web.Response:
        return _json(shadow.report())

    async def explain(request: web.Request) -> web.Response:
        try:
            object = asked([request.match_info[key] for key in ("plural", "namespace", "name")])
            found = await operator.explain(*object)
        except ApiError as error:
            return _json({"message": error.message}, error.code)
        return _json({**found, "shadow": shadow.of(*object)})

    site = web.Application()
    site.router.add_get("/shadow", report)
    site.router.add_get("/explain/{plural}/{namespace}/{name}", explain)
    async with served(site, listen):
        yield


def _json(value: Any, status: int = 200) -> web.Response:
    import msgspec
    from aiohttp import web

    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
