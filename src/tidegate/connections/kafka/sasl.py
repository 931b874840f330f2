"""Logging in: the messages of each SASL mechanism, and what a refusal means, never in a broker's words."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from tidegate.base.errors import Denied, Malformed
from tidegate.kit.systems.kafka import Sasl

Exchange = Callable[[bytes], Awaitable[bytes]]
"""Sends one message of the mechanism and returns the broker's."""


class Bearer(Protocol):
    """Gets a bearer token, and hears when a broker has refused it. With AWS_MSK_IAM it is for one host."""

    async def token(self, host: str = "") -> str: ...

    def forget(self, token: str) -> None: ...


LEAST_ITERATIONS, MOST_ITERATIONS = 4096, 1_000_000
"""Fewer than any broker asks for would give the password away cheaply, more would keep us hashing."""

_HASHES: dict[str, Any] = {"SCRAM-SHA-256": hashlib.sha256, "SCRAM-SHA-512": hashlib.sha512}


async def log_in(sasl: Sasl, exchange: Exchange, bearer: Bearer | None, label: str, host: str = "") -> None:
    """Runs the mechanism. Denied when the broker, `host`, says no, Malformed when it says something else."""
    if sasl.mechanism in _HASHES:
        await _scram(sasl, exchange, label)
    elif sasl.mechanism == "OAUTHBEARER":
        assert bearer is not None
        await _bearer(sasl, exchange, bearer, label)
    elif sasl.mechanism == "AWS_MSK_IAM":
        assert bearer is not None
        await _iam(exchange, bearer, label, host)
    else:
        await exchange(f"\0{sasl.username}\0{sasl.password}".encode())


async def _bearer(sasl: Sasl, exchange: Exchange, bearer: Bearer, label: str) -> None:
    token = await bearer.token()
    pairs = sasl.tokens.extensions if sasl.tokens is not None else ()
    extensions = "".join(f"\x01{name}={value}" for name, value in pairs)
    try:
        reply = await exchange(f"n,,\x01auth=Bearer {token}{extensions}\x01\x01".encode())
    except Denied:
        if sasl.aws is None:
            raise
        reply = b"no"
    if reply:
        bearer.forget(token)
        if sasl.aws is not None:
            raise _not_iam(label)
        # A refusal comes as an answer, which wants to be acknowledged before the broker ends the login.
        raise Denied(
            "log in",
            on=label,
            answer="the token was not accepted",
            next_step="check `scopes`, `oauthTokenEndpointUri` and what the brokers demand of a token",
        )


async def _iam(exchange: Exchange, bearer: Bearer, label: str, host: str) -> None:
    payload = await bearer.token(host)
    try:
        reply = await exchange(payload.encode())
    except Denied:
        bearer.forget(payload)
        raise _not_iam(label) from None
    if not reply.startswith(b"{"):
        raise _strange(label)


def _not_iam(label: str) -> Denied:
    return Denied(
        "log in",
        on=label,
        answer="the AWS identity was not accepted",
        next_step="let it have kafka-cluster:Connect; check `awsRegion`, and this machine's clock",
    )


async def _scram(sasl: Sasl, exchange: Exchange, label: str) -> None:
    """RFC 5802 without channel binding; the broker has to prove that it knows the password, too."""
    name = sasl.username.replace("=", "=3D").replace(",", "=2C")
    nonce = secrets.token_urlsafe(24)
    bare = f"n={name},r={nonce}"
    first = _fields(await exchange(f"n,,{bare}".encode()), label)
    try:
        salt, iterations = base64.b64decode(first["s"], validate=True), int(first["i"])
    except (KeyError, ValueError) as error:
        raise _strange(label) from error
    if not first.get("r", "").startswith(nonce) or not LEAST_ITERATIONS <= iterations <= MOST_ITERATIONS:
        raise _strange(label)
    kind = _HASHES[sasl.mechanism]
    salted = await asyncio.to_thread(
        hashlib.pbkdf2_hmac, kind().name, sasl.password.encode(), salt, iterations
    )

    def keyed(key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, kind).digest()

    final = f"c=biws,r={first['r']}"
    signed = f"{bare},{first['']},{final}".encode()
    client_key = keyed(salted, b"Client Key")
    signature = keyed(kind(client_key).digest(), signed)
    proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
    last = _fields(await exchange(f"{final},p={base64.b64encode(proof).decode()}".encode()), label)
    if "e" in last:
        raise refused(label)
    expected = base64.b64encode(keyed(keyed(salted, b"Server Key"), signed)).decode()
    if not hmac.compare_digest(last.get("v", "").encode(), expected.encode()):
        raise Denied(
            "log in",
            on=label,
            answer="the broker does not know the user's password itself",
            next_step="check that this is the broker you mean",
        )


def refused(label: str) -> Denied:
    return Denied(
        "log in",
        on=label,
        answer="the user name or the password was not accepted",
        next_step="check `username`, `password` and `sasl`",
    )


def _fields(message: bytes, label: str) -> dict[str, str]:
    """The fields of a SCRAM message, and under "" the whole message."""
    try:
        text = message.decode()
        fields = dict(part.split("=", 1) for part in text.split(","))
    except ValueError as error:
        raise _strange(label) from error
    return {**fields, "": text}


def _strange(label: str) -> Malformed:
    return Malformed("log in", on=label, answer="what came back is not the SASL mechanism that was begun")
