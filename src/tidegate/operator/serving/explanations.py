"""`/explain/<plural>/<namespace>/<name>`: why an object has its number, for those who may `get` that object.

A caller shows a bearer token. The metrics API server comes with its certificate, and says for whom it asks as
Kubernetes' front proxy does (`X-Remote-User` and its like); what that user may do is asked here all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tidegate.kube.resource import ApiError, Resource
from tidegate.kube.responses import json_answer
from tidegate.kube.reviews import Access, Caller, Reviews, forbidden
from tidegate.kube.spoken_for import DEFAULT_HEADERS, spoken_for
from tidegate.operator.explain.asked import asked
from tidegate.operator.serving.client_names import confirm_client

Explain = Callable[[Resource, str, str], Awaitable[dict[str, Any]]]


async def answer(request: web.Request, reviews: Reviews, client_name: str, explain: Explain) -> web.Response:
    """The explanation; ApiError for who is nobody (401), may not (403), or asks for what is not there."""
    resource, namespace, name = asked(request.path.strip("/").split("/")[1:])
    caller = await _caller(request, reviews, client_name)
    access = Access("get", resource.group, resource.plural, namespace, name, resource.version)
    decision = await reviews.decide(caller, access)
    if not decision.is_allowed:
        raise forbidden(caller, access, decision.reason)
    return json_answer(await explain(resource, namespace, name))


async def _caller(request: web.Request, reviews: Reviews, client_name: str) -> Caller:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        caller = await reviews.bearer(token.strip())
        if caller is None:
            raise ApiError(401, "Unauthorized", "the bearer token is not good for this cluster")
        return caller
    named = spoken_for(request.headers, DEFAULT_HEADERS)
    if named is None:
        raise ApiError(401, "Unauthorized", "a bearer token of this cluster is needed here")
    confirm_client(request, client_name)
    return named
