"""One number of many: every ready endpoint of a Service is asked the same over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import urlsplit

from tidegate.base.addresses import bracketed
from tidegate.base.errors import Malformed, TidegateError, Unreachable
from tidegate.kit.answers import Place, amount
from tidegate.kit.question import Ask
from tidegate.kit.systems.http import HttpQuestion, HttpServer, Url, read_url
from tidegate.kit.systems.kubernetes import Endpoint, ServiceEndpoints

Aggregation = Literal["average", "sum", "max", "min"]

AT_ONCE = 5
_MOST_WAVES = 50
_PORTS = {"http": 80, "https": 443}


def service_problem(address: str) -> str:
    """Why the URL names no Service; "" where it does, and where it is no URL at all."""
    try:
        labels = _host(read_url(address)).split(".")
    except ValueError:
        return ""
    if len(labels) < 2 or not all(labels) or ":" in labels[0] or labels[-1].isdigit():
        return "names no Service: with aggregation its host must begin with <service>.<namespace>"
    return ""


async def aggregated(
    ask: Ask,
    url: Url,
    how: Aggregation,
    question_of: Callable[[HttpServer], HttpQuestion],
    server: HttpServer,
    place: Place,
) -> float:
    """What the endpoints of the URL's Service say at `place`, merged. `question_of` asks one of them, which
    is like `server` but for its address.

    Endpoints that do not answer are left out, unless all do not, or a sum is wanted.
    """
    service, namespace, *_ = _host(url).split(".")
    found = await ask(ServiceEndpoints(namespace, service))
    endpoints = _checked(found, service, namespace)
    questions = [question_of(replace(server, origin=_origin(url, one))) for one in endpoints]
    step = max(AT_ONCE, -(-len(questions) // _MOST_WAVES))
    values: list[float] = []
    failures: list[TidegateError] = []
    for start in range(0, len(questions), step):
        part = questions[start : start + step]
        for question, answer in zip(part, await ask.each(*part), strict=True):
            try:
                values.append(amount(_raised(answer), question, place))
            except TidegateError as error:
                failures.append(error)
    if failures and (how == "sum" or not values):
        raise failures[0]
    return _merged(how, values)


def _merged(how: Aggregation, values: list[float]) -> float:
    if how == "max":
        return max(values)
    if how == "min":
        return min(values)
    return sum(values) if how == "sum" else sum(values) / len(values)


def _checked(found: Any, service: str, namespace: str) -> tuple[Endpoint, ...]:
    where = f"Service {namespace}/{service}"
    if not isinstance(found, tuple) or not all(isinstance(one, Endpoint) for one in found):
        answer = f"a {type(found).__name__} where endpoints belong"
        raise Malformed("find the endpoints", on=where, answer=answer)
    if not found:
        step = "check that the Service exists and that a pod of it is ready"
        raise Unreachable("find the endpoints", on=where, answer="it has none that is ready", next_step=step)
    return found


def _origin(url: Url, endpoint: Endpoint) -> str:
    """The URL's port where the endpoint has it, or else its only one, or else the scheme's."""
    parts = urlsplit(url.origin)
    usual = _PORTS[parts.scheme]
    port = parts.port or usual
    if port not in endpoint.ports:
        port = endpoint.ports[0] if len(endpoint.ports) == 1 else usual
    return f"{parts.scheme}://{bracketed(endpoint.address)}{'' if port == usual else f':{port}'}"


def _host(url: Url) -> str:
    return urlsplit(url.origin).hostname or ""


def _raised(answer: Any) -> Any:
    if isinstance(answer, TidegateError):
        raise answer
    return answer
