"""What identities of clouds rest on: this program's environment, and the cluster's tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.connections.adapter import Surroundings
    from tidegate.connections.grants import Granted
    from tidegate.kube.client import Client


@asynccontextmanager
async def with_identities(
    surroundings: Surroundings, environment: Mapping[str, str], client: Client | None
) -> AsyncIterator[Surroundings]:
    """The same, and able to log in as an identity while the block is open.

    Without a `client` no ServiceAccount has a token.
    """
    from tidegate.connections.grants import Granted
    from tidegate.connections.identities import Ground, Identities
    from tidegate.kube.account_tokens import LIFE_S, account_token

    async def token_of(namespace: str, name: str, audience: str, life_s: int = LIFE_S) -> Granted[str]:
        assert client is not None
        token = await account_token(client, namespace, name, audience, life_s)
        return Granted(token.text, token.life_s)

    given = token_of if client is not None else None
    identities = Identities(Ground(surroundings, environment, given))
    try:
        yield replace(surroundings, identities=identities, account_token=given)
    finally:
        await identities.close()
