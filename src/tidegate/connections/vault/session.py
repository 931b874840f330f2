"""The token that a Vault is asked with: found out about, got by a login, renewed ahead.

Source: https://developer.hashicorp.com/vault/api-docs/auth/token, …/auth/kubernetes
"""

from __future__ import annotations

import asyncio
import base64
import math
import os
import stat
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted, Grants
from tidegate.connections.vault.calls import Calls, Reply
from tidegate.kit.systems.vault import KubernetesLogin, TokenLogin, VaultServer

ATTEMPTED = "log in"
FILE_BYTES = 1 << 20

_SUBJECT = "system:serviceaccount:"
_NEW_AT = 0.5
"""A token that can only be renewed for less than this share of its first life gives way to another login."""


@dataclass(frozen=True, slots=True)
class Token:
    """`until` is a moment of the loop's clock, infinite for one without an end; `life_s` was its first life.
    `is_ours`: we have logged in for it, and may do so again."""

    text: str = field(repr=False)
    life_s: float
    until: float
    is_renewable: bool
    is_ours: bool

    def rest_s(self) -> float:
        return self.until - asyncio.get_running_loop().time()


class Session:
    """The token of one server value."""

    def __init__(self, server: VaultServer, calls: Calls, surroundings: Surroundings) -> None:
        self._server = server
        self._calls = calls
        self._surroundings = surroundings
        self._grants: Grants[str, Token] = Grants(self._granted)
        self._last: Token | None = None

    @property
    def token_now(self) -> Token | None:
        """The last one, which may have ended."""
        return self._last

    async def token(self) -> Token:
        """A token that is good now; Denied, Misconfigured or Unreachable where there is none."""
        return await self._grants.get("")

    async def holds(self, token: Token) -> bool:
        """Whether the Vault still knows it. One that it does not is given up."""
        reply = await self._calls.call("GET", "auth/token/lookup-self", ATTEMPTED, token=token.text)
        if reply.status == 200:
            return True
        if reply.status != 403 and reply.error is not None:
            raise reply.error
        self._grants.forget("", token)
        self._last = None
        return False

    async def close(self) -> None:
        """Gives back the token that was got by a login, and with it all that it has leased."""
        await self._grants.close()
        token, self._last = self._last, None
        if token is not None and token.is_ours and token.rest_s() > 0:
            await self._calls.call("PUT", "auth/token/revoke-self", "log out", token=token.text)

    async def _granted(self, _: str) -> Granted[Token]:
        token = await self._renewed() or await self._obtained()
        self._last = token
        return Granted(token, token.rest_s())

    async def _renewed(self) -> Token | None:
        """The last token with a new end; None where it cannot be renewed, or hardly."""
        last = self._last
        if last is None or not last.is_renewable or last.rest_s() <= 0:
            return None
        reply = await self._calls.call(
            "PUT", "auth/token/renew-self", "renew the token", token=last.text, body={}
        )
        life_s = _number(reply.part("auth").get("lease_duration"))
        if reply.status != 200 or life_s is None:
            return None
        if last.is_ours and life_s < last.life_s * _NEW_AT:
            return None
        return self._token(last.text, life_s, reply.part("auth"), is_ours=last.is_ours, first_s=last.life_s)

    async def _obtained(self) -> Token:
        login = self._server.login
        if isinstance(login, TokenLogin):
            return await self._looked_up(login.token)
        jwt = await self._proof(login)
        path = f"auth/{login.mount}/login"
        reply = await self._calls.call("PUT", path, ATTEMPTED, body={"jwt": jwt, "role": login.role})
        if reply.status != 200:
            raise self._login_refusal(reply, login)
        auth = reply.part("auth")
        text, life_s = auth.get("client_token"), _number(auth.get("lease_duration"))
        if not isinstance(text, str) or not text or life_s is None:
            raise self._error(Malformed, "the answer holds no token")
        return self._token(text, life_s, auth, is_ours=True)

    async def _looked_up(self, text: str) -> Token:
        """A token that was given: for how long it is good, or that it is not."""
        reply = await self._calls.call("GET", "auth/token/lookup-self", "look at the token", token=text)
        if reply.status == 403:
            answer = (
                "it does not accept the token: it is wrong, has ended, was revoked, or may not look itself up"
            )
            raise self._error(Denied, answer, "give a token that is good, with the policy `default`")
        if reply.error is not None:
            raise self._of_namespace(reply) or reply.error
        found = reply.part("data")
        life_s = _number(found.get("ttl"))
        if life_s is None:
            raise self._error(Malformed, "the answer does not say how long the token is good")
        return self._token(text, life_s, found, is_ours=False)

    def _token(
        self, text: str, life_s: float, found: dict[str, Any], *, is_ours: bool, first_s: float = 0.0
    ) -> Token:
        """A life of 0 is none: such a token has no end."""
        life_s = life_s or math.inf
        until = asyncio.get_running_loop().time() + life_s
        return Token(text, first_s or life_s, until, found.get("renewable") is True, is_ours)

    async def _proof(self, login: KubernetesLogin) -> str:
        if not login.account:
            return await asyncio.to_thread(_of_file, login.file, self._server.label())
        give = self._surroundings.account_token
        if give is None:
            answer = f"there is no cluster that gives a token of ServiceAccount {login.account}"
            raise self._error(Unsupported, answer, "name one with --kubeconfig")
        namespace, _, name = login.account.partition("/")
        return (await give(namespace, name, "", 3600)).value

    def _login_refusal(self, reply: Reply, login: KubernetesLogin) -> TidegateError:
        assert reply.error is not None
        who = f"ServiceAccount {login.account}" if login.account else f"the token in {login.file}"
        if reply.status == 400 or reply.status == 403:
            answer = f'it does not let {who} have the role "{login.role}" at auth/{login.mount}'
            step = (
                "check `mount`, `role`, and the ServiceAccounts, namespaces and audience that it is bound to"
            )
            return self._error(Denied, f"{answer} ({reply.status})", step)
        if reply.status == 404:
            of_namespace = self._of_namespace(reply)
            answer = f"there is no auth method at auth/{login.mount}"
            return of_namespace or self._error(Misconfigured, answer, "correct `mount`")
        return reply.error

    def _of_namespace(self, reply: Reply) -> TidegateError | None:
        if reply.status == 404 and reply.says("namespace"):
            return self._error(Misconfigured, "there is no such namespace", "correct `namespace`")
        return None

    def _error(self, kind: type[TidegateError], answer: str, next_step: str = "") -> TidegateError:
        return kind(ATTEMPTED, on=self._server.label(), answer=answer, next_step=next_step)


def _number(found: Any) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _of_file(path: str, on: str) -> str:
    """The token in a file of this machine. Nothing but a ServiceAccount's is sent anywhere."""
    attempted = f"read the token in {path}"

    def wrong(answer: str) -> Misconfigured:
        return Misconfigured(attempted, on=on, answer=answer, next_step="correct `credential.serviceAccount`")

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise wrong("it is not a regular file")
            raw = file.read(FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise wrong((getattr(error, "strerror", None) or "it cannot be read").lower()) from None
    if len(raw) > FILE_BYTES:
        raise wrong("it is larger than 1 MiB")
    text = raw.decode("ascii", "replace").strip()
    try:
        claims = text.split(".")[1]
        subject = msgspec.json.decode(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
        is_account = subject.startswith(_SUBJECT)
    except (LookupError, ValueError, TypeError, AttributeError, msgspec.DecodeError):
        is_account = False
    if not is_account or not text.isascii():
        raise wrong("it is no token of a ServiceAccount")
    return text
