"""The TLS side of a server value, the same for every system."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS: PEM texts, never paths. An empty `ca` trusts the system's roots alone.

    `is_verified` False accepts any certificate and any name.
    """

    ca: str = field(default="", repr=False)
    cert: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    key_password: str = field(default="", repr=False)
    is_verified: bool = True
