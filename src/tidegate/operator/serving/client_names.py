"""Whom a client certificate is for. That an authority of ours has signed it is the handshake's to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tidegate.kube.resource import ApiError


def dns_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The DNS names of a verified certificate, as `ssl` shows it."""
    names = (certificate or {}).get("subjectAltName") or ()
    return frozenset(name.lower() for kind, name in names if kind == "DNS")


def confirm_client(request: web.Request, name: str) -> None:
    """Raises unless the caller has shown a certificate for this name."""
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        message = f"a client certificate is needed here: one of the operator's authority, for {name}"
        raise ApiError(401, "Unauthorized", message)
    if name.lower() not in dns_names(certificate):
        raise ApiError(403, "Forbidden", f"the client certificate is not for {name}")
