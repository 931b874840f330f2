"""A person's token, by the login that gcloud has left on a laptop.

Source: Google, "Using OAuth 2.0 for Web Server Applications", refreshing an access token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.base.errors import Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted
from tidegate.connections.identities.gcp.exchange import Purpose, Sent, exchanged, request_of, token_of
from tidegate.kit.identity import TOKEN_URI
from tidegate.kit.systems.http import encoded, read_url

TYPE = "authorized_user"

_PURPOSE = Purpose(
    f"get an access token by credentials of type {TYPE}",
    "log in again with `gcloud auth application-default login`",
)
_NAMES = ("client_id", "client_secret", "refresh_token")


async def person_grant(file: Mapping[str, Any], surroundings: Surroundings) -> Granted[str]:
    """It has the scopes that the login was given: asking for others would be refused."""
    parts = {name: file.get(name) for name in _NAMES}
    missing = [name for name, part in parts.items() if not isinstance(part, str) or not part]
    if missing:
        answer = f"the credentials have no {' and no '.join(missing)}"
        raise Misconfigured(_PURPOSE.attempted, answer=answer, next_step=_PURPOSE.step)
    url = file.get("token_uri") or TOKEN_URI
    try:
        read_url(str(url))
    except ValueError as error:
        answer = f"the credentials have a token_uri that {error}"
        raise Misconfigured(_PURPOSE.attempted, answer=answer) from None
    texts = {name: str(part) for name, part in parts.items()}
    sent = Sent(
        str(url),
        "POST",
        (("Content-Type", "application/x-www-form-urlencoded"),),
        encoded((("grant_type", "refresh_token"), *texts.items())).encode(),
        (texts["refresh_token"], texts["client_secret"]),
    )
    return token_of(await exchanged(sent, _PURPOSE, surroundings), request_of(sent, _PURPOSE))
