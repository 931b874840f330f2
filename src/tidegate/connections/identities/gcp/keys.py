"""A service account's access token: a claim signed with its key, exchanged.

Source: Google, "Using OAuth 2.0 for Server to Server Applications", HTTP/REST.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime

from google.auth import crypt, jwt

from tidegate.base.errors import Denied, Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted
from tidegate.connections.http.answer import Response
from tidegate.connections.identities.gcp.exchange import (
    Purpose,
    Sent,
    patient_client,
    refused,
    request_of,
    token_of,
)
from tidegate.kit.identity import ServiceAccount
from tidegate.kit.systems.http import encoded

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE_S = 3600
_SKEW_S = 60
"""A clock that differs by more is corrected for one more try: claims must be of the server's time."""


async def key_grant(account: ServiceAccount, scope: str, surroundings: Surroundings) -> Granted[str]:
    """Denied, Unreachable, Malformed or Misconfigured where no token is to be had."""
    purpose = Purpose(f"get an access token for {account.email}", "check that the account and its key exist")
    first = await _sent(account, scope, int(time.time()))
    request = request_of(first, purpose, "Google's token server")
    client = patient_client(request, surroundings)
    try:
        response = await client.send(request)
        skew_s = _skew_s(response) if response.status == 400 else 0
        if skew_s:
            first = await _sent(account, scope, int(time.time()) + skew_s)
            request = request_of(first, purpose, "Google's token server")
            response = await client.send(request)
    finally:
        await client.close()
    if response.status < 300:
        return token_of(response, request)
    error = refused(response, request, purpose, first.secrets)
    if skew_s and isinstance(error, Denied):
        told = Denied(
            error.attempted,
            on=error.on,
            answer=f"{error.answer}; this machine's clock differs from the server's by {abs(skew_s)} s",
            next_step=error.next_step,
        )
        told.excerpt = error.excerpt
        raise told
    raise error


def _skew_s(response: Response) -> int:
    """By how many seconds the server's clock is ahead of ours, 0 for less than a minute."""
    try:
        theirs = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0
    skew_s = int(theirs - time.time())
    return skew_s if abs(skew_s) > _SKEW_S else 0


async def _sent(account: ServiceAccount, scope: str, now_s: int) -> Sent:
    signed = await asyncio.to_thread(signed_claim, account, scope, now_s)
    return Sent(
        account.token_uri,
        "POST",
        (("Content-Type", "application/x-www-form-urlencoded"),),
        encoded((("grant_type", _GRANT), ("assertion", signed))).encode(),
        (signed,),
    )


def signed_claim(account: ServiceAccount, scope: str, now_s: int) -> str:
    """The JWT (RS256) by which an account asks for a token; Misconfigured where its key cannot be read."""
    try:
        signer = crypt.RSASigner.from_string(account.key, account.key_id or None)
    except (ValueError, TypeError):
        raise Misconfigured(
            f"get an access token for {account.email}",
            answer="the credentials' private_key is no RSA key in PEM form",
            next_step="give the whole text of the key file",
        ) from None
    claim = {
        "iss": account.email,
        "scope": scope,
        "aud": account.token_uri,
        "iat": now_s,
        "exp": now_s + _LIFE_S,
    }
    return str(jwt.encode(signer, claim).decode())
