"""The token of an identity that a server's value names: as a header, or as a password of another protocol."""

from __future__ import annotations

from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.kit.identity import IdentityToken


async def token_of(login: IdentityToken, surroundings: Surroundings) -> str:
    """A token that is good now; one of the five errors where there is none."""
    if surroundings.identities is None:
        label = login.identity.label()
        raise Unsupported(f"log in with the {label}", answer="no identities are at hand here")
    return await surroundings.identities.token(login.identity, login.audience)


def forget(login: IdentityToken, surroundings: Surroundings, token: str) -> bool:
    """The server refused it; whether another may do better."""
    if surroundings.identities is None:
        return False
    return surroundings.identities.forget(login.identity, login.audience, token)
