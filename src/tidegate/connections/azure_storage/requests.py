"""Requests to a storage service: signed with the account's key or by its SAS, or with an identity's token;
error codes told as our errors.

Source: Microsoft, "Authorize with Shared Key", "Status and error codes".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.connection import Sending
from tidegate.connections.http.failures import phrase
from tidegate.connections.http.outgoing import Outgoing
from tidegate.kit.systems.azure_storage import StorageServer
from tidegate.kit.systems.http import LIMIT_BYTES, HttpLogin, HttpRequest, HttpServer

VERSION = "2021-12-02"
"""Of the services' REST interface."""

# 404 and the like are answers: the server is there. What is missing here is its own trouble, or its patience.
_GOOD = (200, 201, 204)
_READ = (*_GOOD, 400, 401, 403, 404, 405, 409, 410)

_STRANGE = "check the address: it does not answer as Azure Storage does"
_CODE = re.compile(r"[A-Za-z]{1,80}")
_DENIED = re.compile(r"Authenticat|Authoriz|Permission|NotPermitted|AccountIsDisabled")
_MISSING = re.compile(r"NotFound|BeingDeleted|Disabled")

Pairs = Iterable[tuple[str, str]]


class Missing(Misconfigured):
    """The queue, container or blob is not there."""


class Requests:
    """Makes, sends and reads the requests to one service."""

    def __init__(self, server: StorageServer, surroundings: Surroundings) -> None:
        self.server = server
        self._http = HttpServer(
            server.origin,
            login=HttpLogin(query=tuple(parse_qsl(server.sas, keep_blank_values=True)), token=server.token),
            name=f"Azure {server.service} storage",
            follows_redirects=False,
        )
        self.client = HttpClient(self._http, surroundings, sign=_Signer(server))

    def get(self, path: str, query: Pairs, attempted: str, *, limit_bytes: int = LIMIT_BYTES) -> HttpRequest:
        """A GET of `path`, which is not encoded yet."""
        return self.request("GET", path, query, attempted, limit_bytes=limit_bytes)

    def request(
        self,
        method: str,
        path: str,
        query: Pairs,
        attempted: str,
        *,
        body: bytes = b"",
        limit_bytes: int = LIMIT_BYTES,
    ) -> HttpRequest:
        """The same by another method, with a body. Only claims change anything."""
        # A blank as + would be signed as one thing and read as another.
        text = "&".join(f"{key}={quote(value, safe='')}" for key, value in query)
        whole = f"{self.server.path}{quote(path)}"
        return HttpRequest(
            self._http,
            f"{whole}?{text}" if text else whole,
            method=method,
            body=body,
            accepts=_READ,
            limit_bytes=limit_bytes,
            attempted=attempted,
        )

    async def send(self, requests: Iterable[HttpRequest]) -> dict[HttpRequest, Response | TidegateError]:
        """The good answer to each request, or the error that it is. Raises where the service cannot be asked
        at all."""
        wanted = dict.fromkeys(requests)
        if not wanted:
            return {}
        outcomes = await Sending(self.client, wanted).run()
        return {request: self._checked(request, one) for request, one in outcomes.items()}

    def strange(self, request: HttpRequest, answer: str) -> Malformed:
        return Malformed(request.title(), on=self.server.label(), answer=answer, next_step=_STRANGE)

    def _checked(self, request: HttpRequest, outcome: Response | TidegateError) -> Response | TidegateError:
        if isinstance(outcome, TidegateError) or outcome.status in _GOOD:
            return outcome
        code = outcome.headers.get("x-ms-error-code", "")
        code = code if _CODE.fullmatch(code) else ""
        return refusal(request.title(), self.server, outcome.status, code)


def refusal(attempted: str, server: StorageServer, status: int, code: str) -> TidegateError:
    """What a status and an error code mean: codes are the service's own words, never ours or a secret."""
    on, answer = server.label(), code or phrase(status)
    if status in (401, 403) or _DENIED.search(code):
        step = "check the connection string, and whether its key or signature is still good for this"
        if server.token is not None:
            role = "Queue" if server.service == "queue" else "Blob"
            step = f"give the {server.token.identity.label()} the role Storage {role} Data Reader"
        return Denied(attempted, on=on, answer=answer, next_step=step)
    if _MISSING.search(code):
        return Missing(attempted, on=on, answer=answer, next_step="check its name, and the account")
    if not code:
        return Malformed(attempted, on=on, answer=answer, next_step=_STRANGE)
    if status >= 500:
        return Unreachable(attempted, on=on, answer=answer)
    if code == "InvalidResourceName":
        step = "check its name: lower-case letters, digits and - alone"
        return Misconfigured(attempted, on=on, answer=answer, next_step=step)
    return Misconfigured(attempted, on=on, answer=answer, next_step="check the trigger's parameters")


class _Signer:
    """Shared Key, for accounts with a key; the version of the interface for all."""

    def __init__(self, server: StorageServer) -> None:
        self._account = server.account
        self._key = base64.b64decode(server.key)

    async def __call__(self, outgoing: Outgoing) -> Mapping[str, str]:
        headers = {"x-ms-version": VERSION}
        if not self._key:
            return headers
        headers["x-ms-date"] = format_datetime(datetime.now(UTC), usegmt=True)
        signature = hmac.new(self._key, self._text(outgoing, headers).encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {self._account}:{base64.b64encode(signature).decode()}"
        return headers

    def _text(self, outgoing: Outgoing, ours: Mapping[str, str]) -> str:
        """What is signed; of a body its length, and conditions, which we do not send, as empty lines."""
        parts = urlsplit(outgoing.url)
        query: dict[str, list[str]] = {}
        for pair in parts.query.split("&") if parts.query else ():
            name, _, value = pair.partition("=")
            query.setdefault(unquote(name).lower(), []).append(unquote(value))
        lines = [outgoing.method, "", "", str(len(outgoing.body) or ""), *[""] * 8]
        lines += [f"{name}:{value}" for name, value in sorted(ours.items())]
        lines += [f"/{self._account}{parts.path}"]
        lines += [f"{name}:{','.join(sorted(values))}" for name, values in sorted(query.items())]
        return "\n".join(lines)
