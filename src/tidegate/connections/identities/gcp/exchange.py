"""One exchange with a server of Google's that gives tokens, and what its refusal means.

Source: RFC 6749, 5.2 (`error`); Google, AIP-193 (`error.status`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tidegate.base.errors import Denied, TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.failures import excerpt, phrase, refusal, unreadable
from tidegate.kit.systems.http import HttpRequest, HttpServer, Pairs, read_url

UNSAID_S = 300.0
"""A token whose end is not told is taken to live for so long."""

LONGEST_S = 3600.0
"""Google's tokens live an hour; what a clock that is wrong makes of it is no longer."""

PATIENCE = 3.0
"""A token may take so many times as long as another answer: on GKE the first one of a pod takes seconds."""

LIMIT_BYTES = 256 << 10
_CODE = re.compile(r"[A-Za-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Purpose:
    """`attempted` and `step` are for people: what is fetched for whom, and what helps against a refusal."""

    attempted: str
    step: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent, and with which secrets in it, which an answer might repeat."""

    url: str
    method: str = "GET"
    headers: Pairs = ()
    body: bytes = b""
    secrets: tuple[str, ...] = ()


async def exchanged(sent: Sent, purpose: Purpose, surroundings: Surroundings, name: str = "") -> Response:
    """The answer, which was accepted. One of the five where none came, or a refusal.

    The connection is not kept: a token is fetched once an hour.
    """
    request = request_of(sent, purpose, name)
    client = patient_client(request, surroundings)
    try:
        response = await client.send(request)
    finally:
        await client.close()
    if response.status >= 300:
        raise refused(response, request, purpose, sent.secrets)
    return response


def patient_client(request: HttpRequest, surroundings: Surroundings) -> HttpClient:
    return HttpClient(request.server, replace(surroundings, timeout_s=surroundings.timeout_s * PATIENCE))


def request_of(sent: Sent, purpose: Purpose, name: str = "") -> HttpRequest:
    url = read_url(sent.url)
    server = HttpServer(url.origin, name=name or "token server", follows_redirects=False)
    return HttpRequest(
        server,
        url.target(),
        method=sent.method,
        headers=sent.headers,
        body=sent.body,
        limit_bytes=LIMIT_BYTES,
        attempted=purpose.attempted,
    )


def refused(
    response: Response, request: HttpRequest, purpose: Purpose, secrets: Iterable[str]
) -> TidegateError:
    """The error that a status of 300 or more is."""
    if response.status not in (400, 401, 403, 404):
        error = refusal(response, request)
    else:
        code = code_of(response)
        error = Denied(
            purpose.attempted,
            on=request.server.label(),
            answer=phrase(response.status) + (f" ({code})" if code else ""),
            next_step=purpose.step,
        )
    error.excerpt = excerpt(response.body, secrets)
    return error


def code_of(response: Response) -> str:
    """The standard's word for the refusal, or Google's; "" for any other text."""
    try:
        told: Any = msgspec.json.decode(response.body)["error"]
        if isinstance(told, dict):
            told = told["status"]
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):
        return ""
    return told if isinstance(told, str) and _CODE.fullmatch(told) else ""


def token_of(response: Response, request: HttpRequest) -> Granted[str]:
    """The token of an answer as OAuth has it. Malformed where there is none."""
    try:
        answer: Any = msgspec.json.decode(response.body)
        token, life_s = answer["access_token"], float(answer.get("expires_in", UNSAID_S))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise unreadable(request, "the answer holds no token") from None
    if not is_token(token):
        raise unreadable(request, "the answer holds no token")
    return Granted(token, life_of(life_s))


def life_of(told_s: float) -> float:
    return min(told_s, LONGEST_S) if math.isfinite(told_s) and told_s > 0 else UNSAID_S


def is_token(token: object) -> bool:
    """Whether it can stand in a header."""
    return isinstance(token, str) and bool(token) and token.isascii() and token.isprintable()
