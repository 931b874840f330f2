"""What goes wrong over HTTP, in our words: statuses, lost connections, and how an answer began.

No text of a server gets into an error: an answer may repeat what it was sent, and whoever reads an
object's conditions need not be allowed to ask its server. The `excerpt` alone has the beginning of an
answer, cleaned, for those who ask by hand.
"""

from __future__ import annotations

import base64
import email.utils
import errno
import http
import os
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.http.answer import Response
from tidegate.kit.identity import Identity, ServicePrincipal
from tidegate.kit.systems.http import HttpRequest

EXCERPT = 200
"""Characters of an answer that are kept."""

_SHORTEST_SECRET = 4
_LONGEST_REST_S = 3600.0

# Where what we ask for is not, or is not to be had in this way: the trigger or the server must change.
_NEXT_STEPS = {
    400: "check the query and the parameters",
    401: "check the credentials",
    403: "give the user the right to ask this",
    404: "check the address and the path",
    407: "check the credentials of the proxy",
    405: "check the address and the path",
    422: "check the query and the parameters",
    429: "ask less often: raise `pollingInterval`",
    # Many a server answers this to a query that it cannot run.
    500: "check the query and the parameters, and the log of the server",
    502: "check the server behind the gateway that answered",
    503: "check that the server is ready and not overloaded",
    504: "check the server behind the gateway that answered",
}


class Unauthorized(Denied):
    """The login as such is not accepted: it belongs to the server value, so nobody with it is served."""


class Down(Unreachable):
    """No connection was made: whatever is asked next will not get through either."""


class Silent(Unreachable):
    """A connection was there, and no answer came, or only a part of one."""


class Late(Silent):
    """No answer came in time."""


class Cut(Silent):
    """It was closed before anything came: an old connection, perhaps, that the server had given up."""


def refusal(response: Response, request: HttpRequest, next_step: str = "") -> TidegateError:
    """What an answer's status means, where it is none to read; `next_step` where one knows it better."""
    status = response.status
    attempted, on = request.title(), request.server.label()
    answer, step = phrase(status), next_step or _NEXT_STEPS.get(status, "")
    error: TidegateError
    if status in (401, 403, 407):
        error = (Denied if status == 403 else Unauthorized)(attempted, on=on, answer=answer, next_step=step)
    elif status == 429 or status >= 500 or status == 408:
        rest_s = retry_after_s(response.headers) if status in (429, 503) else None
        if status == 429 and rest_s is None:
            rest_s = 0.0
        if rest_s:
            answer += f", to be asked again in {rest_s:.0f} s"
        error = Unreachable(attempted, on=on, answer=answer, next_step=step, retry_after_s=rest_s)
    else:
        error = Malformed(attempted, on=on, answer=answer, next_step=step)
    error.excerpt = excerpt(response.body, secrets_of(request))
    return error


def phrase(status: int) -> str:
    """`404 Not Found`: the phrase is the standard's, not the server's."""
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` says, seconds or a date; an hour at most. None where it says neither."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_REST_S)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), _LONGEST_REST_S)


def unreadable(request: HttpRequest, reason: str, body: bytes = b"", next_step: str = "") -> Malformed:
    """An answer that came, and that nothing can be picked from."""
    error = Malformed(request.title(), on=request.server.label(), answer=reason, next_step=next_step)
    error.excerpt = excerpt(body, secrets_of(request))
    return error


def excerpt(body: bytes, secrets: Iterable[str]) -> str:
    """The first characters of a body, on one line, without what we know to be secret."""
    secrets = tuple(one for one in secrets if one)
    longest = max((len(one.encode()) for one in secrets), default=0)
    text = body[: EXCERPT * 4 + longest].decode(errors="replace")
    for secret in secrets:
        text = text.replace(secret, "***")
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "…"


def secrets_of(request: HttpRequest) -> tuple[str, ...]:
    """Texts that the request carries and nobody may read, the longest first."""
    found: set[str] = set()
    login = request.server.login
    for _, value in (*login.headers, *request.headers):
        scheme, _, rest = value.partition(" ")
        found |= {value, rest}
        if scheme.lower() == "basic":
            found |= _parts(rest)
    found |= {value for _, value in login.query}
    found |= {value for _, value in parse_qsl(request.path.partition("?")[2])}
    if login.oauth is not None:
        found |= {login.oauth.client_secret, *(value for _, value in login.oauth.parameters)}
    if login.token is not None:
        who = login.token.identity
        application = who.application if isinstance(who, Identity) else who
        found.add(application.secret if isinstance(application, ServicePrincipal) else "")
    return tuple(sorted((one for one in found if len(one) >= _SHORTEST_SECRET), key=len, reverse=True))


def lost(error: BaseException, request: HttpRequest, timeout_s: float) -> TidegateError:
    """What aiohttp, TLS or the system raised, as one of ours."""
    import aiohttp

    from tidegate.connections.addresses import Refused, misconfigured
    from tidegate.connections.http.dialling import NotPermitted

    attempted, on = request.title(), request.server.label()
    for cause in _causes(error):
        if isinstance(cause, NotPermitted):
            return cause.error
        if isinstance(cause, Refused):
            return misconfigured(cause.address, cause)
        if isinstance(cause, aiohttp.ClientError):
            continue  # some are TLS errors by inheritance, and empty: what TLS said is their cause
        if isinstance(cause, ssl.SSLCertVerificationError):
            answer = f"its certificate is not trusted ({cause.verify_message})"
            return Down(attempted, on=on, answer=answer, next_step="check `ca`, and the name in the address")
        if isinstance(cause, ssl.SSLError):
            answer = f"TLS failed ({(cause.reason or 'no reason given').replace('_', ' ').lower()})"
            return Down(attempted, on=on, answer=answer, next_step="check that the port speaks TLS")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        answer = f"the proxy answered {phrase(error.status)}"
        if error.status == 407:
            return Denied(attempted, on=on, answer=answer, next_step=_NEXT_STEPS[407])
        return Down(attempted, on=on, answer=answer)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        answer = f"no connection to the proxy ({_words(error.os_error)})"
        return Down(attempted, on=on, answer=answer, next_step="check HTTP_PROXY, HTTPS_PROXY and NO_PROXY")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        step = "check the host's name"
        return Down(attempted, on=on, answer="its name does not resolve", next_step=step)
    if isinstance(error, aiohttp.ClientConnectorError):
        step = "check that the server runs and that host and port are right"
        return Down(attempted, on=on, answer=_words(error.os_error), next_step=step)
    if isinstance(error, aiohttp.InvalidURL):
        return Misconfigured(attempted, on=on, answer="the address is none", next_step="check the URL")
    if isinstance(error, aiohttp.ClientResponseError):
        step = "check that the port speaks HTTP, and whether it wants https"
        return Malformed(attempted, on=on, answer="what came back is not HTTP", next_step=step)
    if isinstance(error, TimeoutError):
        step = "check that the server is up and not overloaded, or give it more time"
        return Late(attempted, on=on, answer=f"no answer within {timeout_s:g} s", next_step=step)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Silent(attempted, on=on, answer="the answer ended too early")
    step = "check that the server is up, and that this port speaks HTTP"
    return Cut(attempted, on=on, answer="the connection was closed", next_step=step)


def _words(error: OSError) -> str:
    """The system's words for it: event loops put their own around them."""
    number = error.errno or 0
    return os.strerror(number).lower() if number in errno.errorcode else "no connection"


def _causes(error: BaseException) -> Iterable[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__


def _parts(text: str) -> set[str]:
    try:
        plain = base64.b64decode(text, validate=True).decode()
    except ValueError:
        return set()
    return {plain, plain.partition(":")[2]}
