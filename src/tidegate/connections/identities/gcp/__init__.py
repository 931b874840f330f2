"""Identities of Google: application default credentials, and accounts whose key a trigger brings.

`cloud.py` finds the credentials, `keys.py`, `person.py`, `impersonated.py`, `federation.py` and `metadata.py`
get a token by each kind of them, `exchange.py` is one exchange with a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.connections.identities import Cloud, Ground


def connect(ground: Ground) -> Cloud:
    """The cloud; touches no network."""
    from tidegate.connections.identities.gcp.cloud import Google

    return Google(ground)
