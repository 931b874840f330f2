"""Entra ID over TLS, written from Microsoft's documentation: it issues tokens, refuses with AADSTS codes, and
knows afterwards what a token was for.

Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow and
https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import trustme
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509 import Certificate

from parts.http_server import HttpFake, answering
from tidegate.connections.adapter import Surroundings
from tidegate.connections.identities import Ground, Identities
from tidegate.connections.tls_policy import TlsPolicy

TENANT = "11111111-aaaa-4bbb-8ccc-000000000000"
CLIENT = "22222222-aaaa-4bbb-8ccc-000000000000"

_ASSERTED = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Refused(Exception):
    def __init__(self, code: int, word: str = "invalid_client", status: int = 401) -> None:
        super().__init__(code)
        self.code, self.word, self.status = code, word, status


@dataclass
class Entra:
    """`federated` are the tokens of ServiceAccounts that it trusts, `secrets` those of the client;
    `skew_s` is how far its clock is ahead of ours. A refusal repeats what was sent, as the real one does."""

    authority: trustme.CA
    federated: set[str] = field(default_factory=lambda: {"federated-1"})
    secrets: set[str] = field(default_factory=set)
    certificate: Certificate | None = None
    audiences: set[str] = field(default_factory=set)
    life_s: float = 3599.0
    skew_s: float = 0.0
    throttled_s: int | None = None
    issued: dict[str, tuple[str, float]] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    origin: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {"Date": formatdate(time.time() + self.skew_s, usegmt=True)}
        form = dict(parse_qsl(await request.text(), keep_blank_values=True))
        self.forms.append(form)
        if self.throttled_s is not None:
            return web.Response(status=429, headers={**headers, "Retry-After": str(self.throttled_s)})
        try:
            self._check(request, form)
        except Refused as error:
            body = {
                "error": error.word,
                "error_description": f"AADSTS{error.code}: refused: {form}",
                "error_codes": [error.code],
            }
            return web.json_response(body, status=error.status, headers=headers)
        token = f"token-{len(self.issued) + 1}-{base64.b64encode(form['scope'].encode()).decode()}"
        self.issued[token] = form["scope"], time.time() + self.life_s
        body = {"token_type": "Bearer", "expires_in": int(self.life_s), "access_token": token}
        return web.json_response(body, headers=headers)

    def allows(self, request: web.Request, audience: str) -> bool:
        """Whether a request to a service comes with a token for it that is still good."""
        return self.takes(request.headers.get("Authorization", "").removeprefix("Bearer "), audience)

    def takes(self, token: str, audience: str) -> bool:
        """Whether this text is a token for it that is still good."""
        scope, ends = self.issued.get(token, ("", 0.0))
        return scope == audience and time.time() < ends

    def revoke(self) -> None:
        """No token that was issued is good any more."""
        self.issued = {token: (scope, 0.0) for token, (scope, _) in self.issued.items()}

    def _check(self, request: web.Request, form: dict[str, str]) -> None:
        if request.method != "POST" or form.get("grant_type") != "client_credentials":
            raise Refused(70003, "unsupported_grant_type", 400)
        if request.path != f"/{TENANT}/oauth2/v2.0/token":
            raise Refused(90002, "invalid_request", 400)
        if form.get("client_id") != CLIENT:
            raise Refused(700016, "unauthorized_client", 400)
        if not form.get("scope", "").endswith("/.default"):
            raise Refused(1002012, "invalid_scope", 400)
        if self.audiences and form["scope"] not in self.audiences:
            raise Refused(500011, "invalid_resource", 400)
        if "client_secret" in form:
            if form["client_secret"] not in self.secrets:
                raise Refused(7000215)
        elif form.get("client_assertion_type") != _ASSERTED:
            raise Refused(7000218)
        elif form["client_assertion"] not in self.federated:
            self._check_signed(form["client_assertion"])

    def _check_signed(self, text: str) -> None:
        if self.certificate is None or text.count(".") != 2:
            raise Refused(700213)
        head, claim, signature = (_plain(part) for part in text.split("."))
        print_of = (
            base64.urlsafe_b64encode(self.certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
        )
        if json.loads(head) != {"alg": "PS256", "typ": "JWT", "x5t#S256": print_of}:
            raise Refused(700027)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        key: Any = self.certificate.public_key()
        try:
            key.verify(signature, text.rpartition(".")[0].encode(), pss, hashes.SHA256())
        except InvalidSignature:
            raise Refused(700027) from None
        said = json.loads(claim)
        now = time.time() + self.skew_s
        if not said["nbf"] - 300 <= now <= said["exp"] + 300:
            raise Refused(700024)
        if said["aud"] != f"{self.origin}/{TENANT}/oauth2/v2.0/token" or said["iss"] != said["sub"] != CLIENT:
            raise Refused(50027)

    def surroundings(self, **more: Any) -> Surroundings:
        """Those of a machine that trusts the authority of these servers."""
        return Surroundings(tls=TlsPolicy(authorities=self.authority.cert_pem.bytes().decode()), **more)

    def environment(self, token_file: str = "", **more: str) -> dict[str, str]:
        """That of a pod, as the workload identity webhook makes it."""
        made = {
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_TENANT_ID": TENANT,
            "AZURE_AUTHORITY_HOST": f"{self.origin}/",
        }
        return made | ({"AZURE_FEDERATED_TOKEN_FILE": token_file} if token_file else {}) | more

    @asynccontextmanager
    async def logging_in(
        self, environment: Mapping[str, str], account_token: Any = None, **around: Any
    ) -> AsyncIterator[Surroundings]:
        """Surroundings whose identities are those of this environment."""
        plain = self.surroundings(**around)
        identities = Identities(Ground(plain, environment, account_token))
        try:
            yield replace(plain, identities=identities)
        finally:
            await identities.close()

    @asynccontextmanager
    async def service(
        self, audience: str, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> AsyncIterator[HttpFake]:
        """A service over TLS that answers whoever has a token for `audience`, 401 to others."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self.allows(request, audience):
                words = f"no: {request.headers.get('Authorization')}"
                return web.Response(status=401, text=words, headers={"WWW-Authenticate": "Bearer"})
            return await answer(request)

        async with answering(guarded, tls=self.tls()) as fake:
            yield fake

    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context


@asynccontextmanager
async def entra() -> AsyncIterator[Entra]:
    """Entra ID while the block is."""
    made = Entra(trustme.CA())
    async with answering(made.answer, tls=made.tls()) as fake:
        made.origin = fake.origin
        yield made


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
