"""What keeps others out: TLS on loopback, a bearer token, a kubeconfig only its owner can read.

An open API port is remote code execution, since Pods are processes. Clients of the Go family send
no token over plain http, hence TLS even on loopback. Everything stands in the data directory
(0700): `tls/ca.crt`, `tls/ca.key`, `tls/server.crt`, `tls/server.key`, `token`, `kubeconfig`.
The authority outlives the server certificate, so kubeconfigs stay valid when the latter is renewed.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import secrets
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tidegate.local.apiserver.authentication import certificates
from tidegate.local.apiserver.authentication.private_files import write_private

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the keys stand, and the token. `authority_pem` is what clients trust."""

    certificate_path: Path
    key_path: Path
    authority_pem: bytes
    token: str


def ensure_credentials(data_dir: Path, names: Iterable[str], now: datetime) -> Credentials:
    """The credentials kept in `data_dir`; made, or renewed before they expire, where needed.

    `names` are host names and addresses the certificate is valid for, beside the loopback ones.
    """
    wanted = tuple(dict.fromkeys((*LOOPBACK_NAMES, *names)))
    certificate_path, key_path = certificates.ensure_server_certificate(data_dir, wanted, now)
    return Credentials(
        certificate_path=certificate_path,
        key_path=key_path,
        authority_pem=certificates.authority_pem(data_dir, now),
        token=_ensure_token(data_dir / "token"),
    )


def server_context(credentials: Credentials) -> ssl.SSLContext:
    """A TLS context for serving; `load_cert_chain` on it renews the certificate of later connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(credentials.certificate_path, credentials.key_path)
    return context


def write_kubeconfig(path: Path, url: str, credentials: Credentials) -> None:
    """A kubeconfig (0600) with one context, `tidegate`; replaced atomically."""
    import yaml

    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "tidegate",
                "cluster": {
                    "server": url,
                    "certificate-authority-data": base64.b64encode(credentials.authority_pem).decode(),
                },
            }
        ],
        "users": [{"name": "tidegate", "user": {"token": credentials.token}}],
        "contexts": [
            {
                "name": "tidegate",
                "context": {"cluster": "tidegate", "user": "tidegate", "namespace": "default"},
            }
        ],
        "current-context": "tidegate",
    }
    write_private(path, yaml.safe_dump(body, sort_keys=False).encode())


def bearer_token(header: str) -> str:
    """The token that an Authorization header carries; "" when it carries none."""
    scheme, _, given = header.strip().partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def is_same(given: str, token: str) -> bool:
    """Whether a token is that token; the time taken does not depend on how much of it is right."""
    # Bytes that are no text arrive as surrogates; they are no token of ours either.
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def is_own_host(header: str, names: Iterable[str]) -> bool:
    """Whether a Host header names this machine: loopback, or one of `names` (against DNS rebinding)."""
    host = host_of(header)
    if host in LOOPBACK_NAMES or host in {name.lower() for name in names}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_origin(origin: str, host_header: str) -> bool:
    """Whether an Origin header names this very server, as Python's websocket clients send it.

    A page of another site sends its own origin; we serve no pages, so no browser sends ours.
    """
    return origin == f"https://{host_header}"


def host_of(header: str) -> str:
    """The host part of a Host header, lower case, without port and brackets."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _ensure_token(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = ""
    if len(token) < 32:
        token = secrets.token_urlsafe(32)
        write_private(path, token.encode())
    return token
