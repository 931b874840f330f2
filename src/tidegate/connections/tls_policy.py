"""What the administrator says of every TLS connection to a trigger's server, and of connections over HTTP."""

from __future__ import annotations

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """The least version; cipher suites in OpenSSL's names, those of TLS 1.2 ("": the library's); authorities
    that are trusted beside the system's, as PEM."""

    least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ciphers: str = ""
    authorities: str = ""


USUAL = TlsPolicy()
