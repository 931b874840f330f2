"""Who asks, as Kubernetes' own extension API servers find out: the front proxy's word, a client certificate,
a bearer token, or nobody. What was shown and is not good is refused; who shows nothing is anonymous.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tidegate.kube.resource import ApiError
from tidegate.kube.reviews import ANONYMOUS, AUTHENTICATED, Caller, Reviews
from tidegate.kube.spoken_for import spoken_for
from tidegate.metricsapi.trust import Trust


async def caller_of(request: web.Request, trust: Trust, reviews: Reviews) -> Caller:
    """The caller; ApiError 401 where what it shows is not good."""
    wrong = False
    shown, chain = shown_certificate(request)
    if chain:
        name, groups = _subject(shown)
        if trust.proxies.vouch(chain):
            named = spoken_for(request.headers, trust.headers)
            is_named = name in trust.proxy_names or not trust.proxy_names
            if is_named and named is not None:
                return _authenticated(named)
            wrong = not is_named
        if trust.clients.vouch(chain) and name:
            return _authenticated(Caller(name, groups))
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        caller = await reviews.bearer(token.strip())
        if caller is not None:
            return _authenticated(caller)
        wrong = True
    if wrong:
        raise ApiError(401, "Unauthorized", "Unauthorized")
    return ANONYMOUS


def shown_certificate(request: web.Request) -> tuple[Mapping[str, Any], tuple[bytes, ...]]:
    """The client's certificate as `ssl` shows it, and the chain (DER) by which the handshake trusted it.

    No chain where none was shown.
    """
    connection = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    certificate = connection.getpeercert() if connection is not None else None
    return (certificate, _verified_chain(connection)) if certificate else ({}, ())


def _verified_chain(connection: Any) -> tuple[bytes, ...]:
    if hasattr(connection, "get_verified_chain"):
        return tuple(connection.get_verified_chain())
    # Before Python 3.13 the chain is there, and not public.
    found = connection._sslobj.get_verified_chain() or ()
    return tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in found)


def _subject(certificate: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The common name and the organizations: a user and its groups, as Kubernetes has it."""
    parts = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [value for key, value in parts if key == "commonName"]
    return (names[-1] if names else ""), tuple(value for key, value in parts if key == "organizationName")


def _authenticated(caller: Caller) -> Caller:
    if AUTHENTICATED in caller.groups or caller.name == ANONYMOUS.name:
        return caller
    return Caller(caller.name, (*caller.groups, AUTHENTICATED), caller.uid, caller.extra)
