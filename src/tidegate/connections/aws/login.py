"""With which keys a server is asked, and Signature Version 4, which is botocore's.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.outgoing import Outgoing
from tidegate.kit.identity import AwsKeys, AwsLogin


class Login:
    """The keys of one server, of which `on` tells people: its own, or those that its identity has now."""

    def __init__(self, login: AwsLogin, surroundings: Surroundings, on: str) -> None:
        self._login = login
        self._on = on
        self._identities = surroundings.identities

    async def keys(self) -> AwsKeys:
        """Those to sign with. One of the five errors where the identity gets none."""
        identity = self._login.identity
        if identity is None:
            return self._login.keys or AwsKeys("")
        if self._identities is None:
            raise Unsupported(
                f"log in with the {identity.label()}", on=self._on, answer="nobody gives its keys"
            )
        return await self._identities.aws_keys(identity, self._login.region)

    def forget(self, keys: AwsKeys) -> bool:
        """They were refused. Whether there may be others."""
        identity = self._login.identity
        if identity is None or self._identities is None:
            return False
        return self._identities.forget(identity, self._login.region, keys)


class Signer:
    """Signs whole requests with `keys`, which may be other ones for the next."""

    def __init__(self, keys: AwsKeys | None, service: str, region: str) -> None:
        self.keys = keys or AwsKeys("")
        self._service = service
        self._region = region

    async def __call__(self, outgoing: Outgoing) -> Mapping[str, str]:
        """The headers to add."""
        request = AWSRequest(outgoing.method, outgoing.url, dict(outgoing.headers), outgoing.body)
        keys = self.keys
        credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token or None)
        SigV4Auth(credentials, self._service, self._region).add_auth(request)
        given = {name.lower() for name in outgoing.headers}
        return {name: str(value) for name, value in request.headers.items() if name.lower() not in given}
