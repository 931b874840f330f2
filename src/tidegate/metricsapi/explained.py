"""Explanations through the aggregator: `explain.tidegate.dev`, for whoever has any way into the cluster.

The API server says who asks; what that user may see is asked by the leading operator, which has the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web

from tidegate.base.errors import TidegateError
from tidegate.kube.resource import ApiError
from tidegate.kube.responses import json_answer, no_such_path, not_allowed
from tidegate.kube.reviews import Caller
from tidegate.kube.spoken_for import naming
from tidegate.metricsapi.documents import EXPLAIN

Explain = Callable[[str, Iterable[tuple[str, str]]], Awaitable[bytes]]
"""Gets a path of the leader's and the headers that name the caller (`connecting.Operator.get`)."""

KINDS = {plural: kind for plural, _, kind in EXPLAIN.resources}
_PREFIX = "explained"


async def answer(request: web.Request, caller: Caller, explain: Explain) -> web.Response:
    """The explanation as an object of our group; ApiError as the leader says, 503 where none is reached."""
    parts = request.rel_url.raw_path.removeprefix(f"{EXPLAIN.root}/").rstrip("/").split("/")
    if len(parts) != 4 or parts[0] != "namespaces" or parts[2] not in KINDS or not all(parts):
        raise no_such_path()
    if request.method not in ("GET", "HEAD"):
        raise not_allowed(f"{request.method} is not allowed on explanations")
    _, namespace, plural, name = parts
    path = f"/explain/{plural.removeprefix(_PREFIX)}/{namespace}/{name}"
    try:
        found: dict[str, Any] = msgspec.json.decode(await explain(path, naming(caller)))
    except TidegateError as error:
        raise ApiError(503, "ServiceUnavailable", str(error)) from error
    return json_answer(
        {
            "apiVersion": EXPLAIN.api_version,
            "kind": KINDS[plural],
            "metadata": {"namespace": namespace, "name": name},
            "explanation": found,
        }
    )
