"""What the operating system or TLS said when a connection failed, in a few words."""

from __future__ import annotations

import asyncio
import ssl


def cause_of(error: BaseException, timeout_s: float) -> tuple[str, bool]:
    """The words, and whether an open connection ended: then another one may well work."""
    origin: BaseException | None = error
    while origin is not None and not isinstance(origin, OSError | asyncio.CancelledError):
        origin = origin.__cause__ or origin.__context__
    if isinstance(origin, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({origin.verify_message}); check `ca`", False
    if isinstance(origin, ssl.SSLError):
        return f"TLS failed ({(origin.reason or 'no reason given').replace('_', ' ').lower()})", False
    if isinstance(origin, ConnectionRefusedError):
        return "connection refused", False
    if isinstance(origin, TimeoutError | asyncio.CancelledError):
        return f"no answer within {timeout_s:g} s", False
    if isinstance(origin, ConnectionError) or origin is None:
        return "the connection was closed", True
    return (origin.strerror or type(origin).__name__).lower(), False
