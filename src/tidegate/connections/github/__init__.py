"""GitHub's REST API: one crawl for all triggers of a login, with ETags, within its rate limit.

`api.py` sends requests and keeps what has not changed, `crawl.py` knows where jobs are listed, `app.py` makes
the tokens of a GitHub App, `connection.py` is the adapter.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.github import GithubServer


def connect(server: GithubServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.github.connection import GithubConnection

    return GithubConnection(server, surroundings)
