"""`oauth2`: the parameters by which a trigger over HTTP fetches an access token itself.

The trigger says so with `authModes: oauth`. Source: https://datatracker.ietf.org/doc/html/rfc6749#section-4.4
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.triggerauthentication import OAuth2
from tidegate.auth.sources.place import Found, Place, Wanted
from tidegate.base.errors import Misconfigured
from tidegate.kit.systems.http import encoded, read_url


def wanted(place: Place, source: OAuth2) -> Iterator[Wanted | Found]:
    """Nothing is fetched for them: only the client's secret is looked up."""
    try:
        read_url(source.token_url)
    except ValueError as error:
        step = "write it with http:// or https:// and a host"
        raise Misconfigured(
            f"read oauth2.tokenUrl of {place.about}", answer=f"it {error}", next_step=step
        ) from None
    yield "oauthTokenURI", source.token_url
    yield "clientID", source.client_id
    if source.client_secret is not None:
        yield "clientSecret", place.secret(source.client_secret, "oauth2.clientSecret")
    if source.scopes:
        yield "scopes", ",".join(source.scopes)
    if source.token_url_params:
        yield "endpointParams", encoded(sorted(source.token_url_params.items()))
