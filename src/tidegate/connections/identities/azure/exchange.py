"""The token endpoint of Entra ID: a form goes out, a token or a code comes back.

Of a refusal the code (`AADSTS700016`) is told and nothing else: its description repeats what was sent.

Source: Microsoft, "OAuth 2.0 client credentials flow", "Microsoft Entra authentication and authorization
error codes".
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.failures import phrase, refusal
from tidegate.kit.systems.http import HttpRequest, HttpServer, encoded

Proof = tuple[tuple[str, str], ...]
"""Fields of the form that show who asks."""

_AT_ONCE = 16
_LEAST_S = 10.0
"""So long a token may take, whatever other answers may: whoever waits for it waits no longer for that."""

_UNSAID_S = 300.0
_LIMIT_BYTES = 64 << 10
_TOO_EARLY_OR_LATE = 700024
_NOTABLE_S = 60.0

_WORD = re.compile(r"[a-z_]{1,40}")

_FEDERATION = (
    "let the application trust this cluster: a federated credential with its issuer, subject, audience"
)
_TENANT = "check the tenant's id"
_STEPS = {
    50034: "check the client id",
    53003: "a policy of conditional access forbids it: ask who keeps the tenant",
    70011: "check the resource: the tenant knows none of this name",
    70021: _FEDERATION,
    90002: _TENANT,
    500011: "check the resource and the cloud: the tenant knows none of this name",
    700016: "check the client id: no such application is in the tenant",
    700024: "check the clocks of this machine, and of the cluster whose token is shown",
    700027: "add the certificate to the application",
    700211: _FEDERATION,
    700212: _FEDERATION,
    700213: _FEDERATION,
    900023: _TENANT,
    7000215: "check the client secret: its value is wanted, not its id",
    7000222: "the client secret has ended: make a new one",
    7000229: "make a service principal of the application in the tenant",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One token: who issues it, to whom, for what."""

    authority: str
    tenant: str
    client_id: str
    audience: str
    attempted: str

    @property
    def path(self) -> str:
        return f"/{self.tenant}/oauth2/v2.0/token"

    @property
    def url(self) -> str:
        return f"{self.authority}{self.path}"


class Exchange:
    """Asks for tokens, a few at a time. A connection lives for one of them: the next is an hour away."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._skews_s: dict[str, float] = {}

    async def token(self, asked: Asked, proof: Callable[[float], Awaitable[Proof]]) -> Granted[str]:
        """`proof` gets how many seconds our clock is behind that of who issues tokens: what we sign says
        when it is good."""
        async with self._turns:
            server = HttpServer(
                asked.authority,
                timeout_s=max(self._surroundings.timeout_s, _LEAST_S),
                name="Entra ID",
                follows_redirects=False,
            )
            client = HttpClient(server, self._surroundings)
            try:
                known_s = self._skews_s.get(asked.authority, 0.0)
                response = await self._sent(client, asked, await proof(known_s))
                skew_s = _skew_s(response)
                is_other = abs(skew_s - known_s) > _NOTABLE_S
                if _code(response)[0] == _TOO_EARLY_OR_LATE and is_other:
                    self._skews_s[asked.authority] = skew_s
                    response = await self._sent(client, asked, await proof(skew_s))
            finally:
                await client.close()
        if response.status != 200:
            raise _refusal(response, asked)
        return _read(response, asked)

    async def _sent(self, client: HttpClient, asked: Asked, proof: Proof) -> Response:
        form = (
            ("grant_type", "client_credentials"),
            ("client_id", asked.client_id),
            ("scope", asked.audience),
            *proof,
        )
        request = HttpRequest(
            client.server,
            asked.path,
            method="POST",
            headers=(
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Accept", "application/json"),
            ),
            body=encoded(form).encode(),
            limit_bytes=_LIMIT_BYTES,
            attempted=asked.attempted,
        )
        response = await client.send(request)
        if response.status in (408, 429) or response.status >= 500:
            error = refusal(response, request, "wait: tokens that are still good serve on")
            error.excerpt = ""
            raise error
        return response


def _refusal(response: Response, asked: Asked) -> TidegateError:
    on = f"Entra ID {asked.authority}"
    number, word = _code(response)
    told = f"AADSTS{number}" if number else word
    answer = phrase(response.status) + (f" ({told})" if told else "")
    if word == "temporarily_unavailable":
        return Unreachable(asked.attempted, on=on, answer=answer)
    if response.status in (400, 401, 403) and told:
        step = _STEPS.get(number, "")
        if not step and number:
            step = f"look the code up at {asked.authority}/error?code={number}"
        return Denied(asked.attempted, on=on, answer=answer, next_step=step)
    return Malformed(asked.attempted, on=on, answer=answer, next_step="check the authority host")


def _code(response: Response) -> tuple[int, str]:
    """The number of a refusal, 0 without; the standard's word for it, "" without."""
    if response.status == 200:
        return 0, ""
    try:
        body: Any = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0, ""
    if not isinstance(body, dict):
        return 0, ""
    codes, word = body.get("error_codes"), body.get("error")
    first = codes[0] if isinstance(codes, list) and codes else 0
    number = first if type(first) is int and 0 < first < 10**9 else 0
    return number, word if isinstance(word, str) and _WORD.fullmatch(word) else ""


def _skew_s(response: Response) -> float:
    """How far our clock is behind that of the server, as its answer is dated; 0 where it is not."""
    try:
        moment = email.utils.parsedate_to_datetime(response.headers.get("Date", ""))
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return moment.timestamp() - time.time()


def _read(response: Response, asked: Asked) -> Granted[str]:
    try:
        body: Any = msgspec.json.decode(response.body)
        token, life_s = body["access_token"], float(body.get("expires_in", _UNSAID_S))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError):
        token, life_s = "", 0.0
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        on = f"Entra ID {asked.authority}"
        answer = "the answer holds no token"
        raise Malformed(asked.attempted, on=on, answer=answer, next_step="check the authority host")
    return Granted(token, life_s if math.isfinite(life_s) and life_s > 0 else _UNSAID_S)
