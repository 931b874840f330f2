"""HTTP: one session per server, equal requests once, at most `CONCURRENCY` at a time.

`client.py` sends one request, whoever asks: adapters of systems that speak HTTP in their own way (signed,
in pages, with ETags) use it as a library. `connection.py` is the adapter that answers `HttpQuestion`s.
`dialling.py` opens connections, `tokens.py` fetches OAuth2 tokens, `failures.py` has the words for all
that goes wrong.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.http import HttpServer


def connect(server: HttpServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. aiohttp is imported with the first request."""
    from tidegate.connections.http.connection import HttpConnection

    return HttpConnection(server, surroundings)
