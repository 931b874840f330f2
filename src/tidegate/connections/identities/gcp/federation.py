"""Credentials of a federation, which google-auth knows how to exchange.

The library knows each of their sources, and AWS's signature; it runs in a thread. All that it sends goes
through our HTTP client, with our limits, proxies and TLS, and a refusal ends the exchange with an error of
ours: it neither waits nor tries again by itself.

Source: Google, "How Application Default Credentials works", "Workload Identity Federation" (AIP-4117).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC
from types import SimpleNamespace
from typing import Any

import google.auth.exceptions
import google.auth.transport

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted
from tidegate.connections.http.answer import Response
from tidegate.connections.http.failures import excerpt
from tidegate.connections.identities.gcp.exchange import (
    PATIENCE,
    UNSAID_S,
    Purpose,
    Sent,
    exchanged,
    is_token,
    life_of,
)
from tidegate.kit.systems.http import bearer

STEPS = {
    "external_account": "check the pool's provider, its audience, and that it admits this workload",
    "external_account_authorized_user": "log in again with `gcloud auth application-default login`",
}
"""Types of credentials that are exchanged here, and what helps against a refusal."""

_LIBRARYS = (google.auth.exceptions.GoogleAuthError, AttributeError, LookupError, TypeError, ValueError)
"""What it raises where a file or an answer is of another shape."""

_EXCHANGES = 6
"""No type makes more of them for one token."""


async def federation_grant(info: Mapping[str, Any], scope: str, surroundings: Surroundings) -> Granted[str]:
    """A token by credentials of one of the types in `STEPS`, as their file has them."""
    kind = str(info["type"])
    purpose = Purpose(f"get an access token by credentials of type {kind}", STEPS[kind])
    loop = asyncio.get_running_loop()

    def send(sent: Sent) -> Response:
        asked = asyncio.run_coroutine_threadsafe(exchanged(sent, purpose, surroundings), loop)
        return asked.result(surroundings.timeout_s * PATIENCE * _EXCHANGES)

    return await asyncio.to_thread(_refreshed, info, scope, purpose, _Through(send))


def _refreshed(info: Mapping[str, Any], scope: str, purpose: Purpose, through: Any) -> Granted[str]:
    try:
        credentials = _credentials(info, scope, purpose)
        credentials.refresh(through)
    except TidegateError:
        raise
    except google.auth.exceptions.MalformedError as error:
        raise _unusable(error, purpose, through) from None
    except _LIBRARYS as error:
        if through.has_answer:
            raise Malformed(purpose.attempted, answer="what came back holds no token") from None
        raise _unusable(error, purpose, through) from None
    except TimeoutError:
        raise Unreachable(purpose.attempted, answer="no answer in time") from None
    except OSError as error:
        answer = f"a file of it cannot be read ({error.strerror or type(error).__name__})"
        raise Misconfigured(purpose.attempted, answer=answer) from None
    if not is_token(credentials.token):
        raise Malformed(purpose.attempted, answer="what came back holds no token")
    ends = credentials.expiry
    return Granted(
        credentials.token,
        life_of(ends.replace(tzinfo=UTC).timestamp() - time.time()) if ends is not None else UNSAID_S,
    )


def _unusable(error: Exception, purpose: Purpose, through: Any) -> Misconfigured:
    told = Misconfigured(
        purpose.attempted,
        answer=f"the credentials cannot be used ({type(error).__name__})",
        next_step="check the file of the credentials, and the files that it names",
    )
    if not through.has_answer and error.args and isinstance(error.args[0], str):
        told.excerpt = excerpt(error.args[0].encode(), ())
    return told


def _credentials(info: Mapping[str, Any], scope: str, purpose: Purpose) -> Any:
    """The library's object. Its generic loaders are for files that nobody has looked at."""
    kind = info["type"]
    if kind == "external_account_authorized_user":
        from google.auth.external_account_authorized_user import Credentials as Workforce

        return Workforce.from_info(info)
    source = info.get("credential_source") or {}
    if info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        from google.auth.aws import Credentials as Aws

        return Aws.from_info(info, scopes=[scope])
    if "executable" in source or "certificate" in source:
        what = "a program" if "executable" in source else "a certificate"
        answer = f"a federation by {what} is not offered"
        raise Unsupported(purpose.attempted, answer=answer, next_step="use a file or a URL as its source")
    from google.auth.identity_pool import Credentials as Pool

    return Pool.from_info(info, scopes=[scope])


class _Through(google.auth.transport.Request):
    """The library's way to the network: ours."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self.has_answer = False

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        sent = body.encode() if isinstance(body, str) else body or b""
        pairs = tuple((str(name), _text(value)) for name, value in (headers or {}).items())
        answer: Response = self._send(Sent(url, method, pairs, sent, _secrets(sent, pairs)))
        self.has_answer = True
        return SimpleNamespace(status=answer.status, headers=answer.headers, data=answer.body)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _secrets(body: bytes, headers: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Texts of a request that its answer must not show: every value of some length that it carries."""
    from urllib.parse import parse_qsl

    text = body.decode(errors="replace")
    found = {value for _, value in parse_qsl(text)} | {value.partition(" ")[2] for _, value in headers}
    found |= {value for _, value in headers} | {bearer(value)[1] for value in found}
    return tuple(sorted((one for one in found if len(one) > 7), key=len, reverse=True))
