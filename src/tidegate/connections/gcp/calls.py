"""Calls of Google's REST interfaces: sent side by side as one account, their errors told as ours.

Source: Google, "Errors" in the API design guide (AIP-193): a body with `error.status`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.connection import Sending
from tidegate.connections.http.failures import excerpt, phrase
from tidegate.kit.identity import IdentityToken
from tidegate.kit.systems.gcp import MONITORING_READ, GcpServer, Service
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, Pairs

SCOPES: dict[Service, str] = {
    "monitoring": MONITORING_READ,
    "secretmanager": "https://www.googleapis.com/auth/cloud-platform",
    "spanner": "https://www.googleapis.com/auth/spanner.data",
    "storage": "https://www.googleapis.com/auth/devstorage.read_only",
}

_RIGHTS: dict[Service, str] = {
    "monitoring": "give the account the role Monitoring Viewer in the project",
    "secretmanager": "give the account the role Secret Manager Secret Accessor on the secret",
    "spanner": "give the account the role Cloud Spanner Database Reader on the database",
    "storage": "give the account the role Storage Object Viewer on the bucket",
}
_MISSING: dict[Service, str] = {
    "monitoring": "check the names of project and metric",
    "secretmanager": "check the names of project and secret, and the version",
    "spanner": "check the names of project, instance and database",
    "storage": "check the name of the bucket",
}
_STATUS = re.compile(r"[A-Z][A-Z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call; equal calls are sent once. With a `body` (JSON) it is a POST."""

    path: str
    query: Pairs = ()
    body: bytes = b""
    attempted: str = ""

    def with_query(self, name: str, value: str) -> Call:
        """The same call, with another value of that parameter."""
        rest = tuple(pair for pair in self.query if pair[0] != name)
        return replace(self, query=(*rest, (name, value)))


class Calls:
    """Sends calls to one service."""

    def __init__(self, server: GcpServer, surroundings: Surroundings) -> None:
        self._server = server
        self._identities = surroundings.identities
        who = server.account or server.identity
        login = HttpLogin(token=IdentityToken(who, SCOPES[server.service])) if who else HttpLogin()
        self._http = HttpServer(server.origin(), login, name=server.label(), follows_redirects=False)
        self.client = HttpClient(self._http, surroundings)

    async def send(self, calls: Sequence[Call]) -> dict[Call, Any]:
        """The decoded answer to each call, or its error. Raises where the service cannot be asked at all."""
        if self._http.login.token is None:
            raise Unsupported("ask", on=self._server.label(), answer="no service account is given")
        requests = {self._request(call): call for call in dict.fromkeys(calls)}
        outcomes = await Sending(self.client, dict.fromkeys(requests)).run()
        return {
            requests[request]: one if isinstance(one, TidegateError) else self._read(requests[request], one)
            for request, one in outcomes.items()
        }

    async def project(self) -> str:
        """The project of the identity that asks. One of the five errors where none is known."""
        if self._identities is None or self._server.identity is None:
            raise Misconfigured("find the project", on=self._server.label(), answer="no project is named")
        return await self._identities.project(self._server.identity)

    @property
    def label(self) -> str:
        return self._server.label()

    def strange(self, attempted: str, answer: str) -> Malformed:
        return Malformed(attempted, on=self._server.label(), answer=answer)

    async def close(self) -> None:
        await self.client.close()

    def _request(self, call: Call) -> HttpRequest:
        return HttpRequest(
            self._http,
            call.path,
            call.query,
            method="POST" if call.body else "GET",
            headers=(("Content-Type", "application/json"),) if call.body else (),
            body=call.body,
            accepts=(200, 400, 401, 403, 404),
            attempted=call.attempted,
        )

    def _read(self, call: Call, response: Response) -> Any:
        """The answer as JSON, or the error that it is."""
        try:
            body = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = None
        if response.status == 200:
            is_object = isinstance(body, dict)
            return body if is_object else self.strange(call.attempted, "what came back is no JSON object")
        error = self._refusal(call.attempted, response.status, body)
        error.excerpt = excerpt(response.body, ())
        return error

    def _refusal(self, attempted: str, status: int, body: Any) -> TidegateError:
        on, answer = self._server.label(), phrase(status)
        told: Any = body.get("error") if isinstance(body, Mapping) else None
        word = told.get("status") if isinstance(told, Mapping) else None
        if isinstance(word, str) and _STATUS.fullmatch(word):
            answer += f" ({word})"
        if status == 401:
            return Denied(attempted, on=on, answer=answer, next_step="check the account's key")
        if status == 403:
            return Denied(attempted, on=on, answer=answer, next_step=_RIGHTS[self._server.service])
        step = "check the trigger's parameters" if status == 400 else _MISSING[self._server.service]
        return Misconfigured(attempted, on=on, answer=answer, next_step=step)
