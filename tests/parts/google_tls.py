"""A fake of Google's over TLS, with the certificate of googleapis.com by an authority of the test's own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trustme

from parts.http_server import Answer, HttpFake, answering
from tidegate.connections.tls_policy import TlsPolicy


@asynccontextmanager
async def over_tls(answer: Answer) -> AsyncIterator[tuple[HttpFake, dict[str, Any]]]:
    """The fake, and the surroundings in which every name leads to it and its certificate is trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("*.googleapis.com", "*.p.googleapis.com", "127.0.0.1").configure_cert(context)
    trust = TlsPolicy(authorities=authority.cert_pem.bytes().decode())
    async with answering(answer, tls=context) as fake:
        yield fake, {"tls": trust, "resolve": lambda host: "127.0.0.1"}
