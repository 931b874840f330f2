"""TLS contexts from PEM texts. Making one reads the system's roots: share it, and make it in a thread."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from weakref import WeakValueDictionary

from tidegate.base.errors import Misconfigured
from tidegate.connections.tls_policy import TlsPolicy
from tidegate.kit.tls import Tls
from tidegate.runtime.pem_file import pem_file

_shared: WeakValueDictionary[tuple[Tls, TlsPolicy], ssl.SSLContext] = WeakValueDictionary()


async def shared_context(tls: Tls, policy: TlsPolicy) -> ssl.SSLContext:
    """The context that `tls` describes, one for all who use it now: each costs a megabyte."""
    found = _shared.get((tls, policy))
    if found is None:
        made = await asyncio.to_thread(client_context, tls, policy)
        found = _shared.setdefault((tls, policy), made)
    return found


def client_context(tls: Tls, policy: TlsPolicy) -> ssl.SSLContext:
    """The context that `tls` describes. Misconfigured names the parameter that cannot be read."""
    context = ssl.create_default_context()
    context.minimum_version = policy.least
    if policy.ciphers:
        context.set_ciphers(policy.ciphers)
    if policy.authorities:
        context.load_verify_locations(cadata=policy.authorities)
    if not tls.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.ca:
        try:
            context.load_verify_locations(cadata=tls.ca)
        except (ssl.SSLError, ValueError) as error:
            raise _unreadable("ca", "it holds no certificate in PEM form") from error
    if tls.cert and tls.key:
        if tls.key_password and "ENCRYPTED" not in tls.key:
            raise _unreadable("key", "a keyPassword is given but the key is not encrypted")
        _load_pair(context, tls)
    return context


def with_roots(own: str, policy: TlsPolicy) -> str:
    """PEM for a library that trusts what it is given and nothing else: the system's authorities, the
    administrator's, and `own`."""
    file = ssl.get_default_verify_paths().cafile
    roots = Path(file).read_text() if file and Path(file).exists() else ""
    return "\n".join(one.strip() for one in (roots, policy.authorities, own) if one.strip())


def _load_pair(context: ssl.SSLContext, tls: Tls) -> None:
    with pem_file(tls.cert) as cert, pem_file(tls.key) as key:
        try:
            # A password is always given: without one OpenSSL would ask for it on the terminal.
            context.load_cert_chain(cert, key, password=tls.key_password)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or "not PEM"
            raise _unreadable("cert and key", f"{str(reason).replace('_', ' ').lower()}") from error


def _unreadable(parameter: str, answer: str) -> Misconfigured:
    return Misconfigured(
        f"use the TLS parameter {parameter}", answer=answer, next_step="give the PEM text itself, not a path"
    )
