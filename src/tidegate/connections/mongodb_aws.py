"""MONGODB-AWS: a request to AWS STS, signed and never sent there by us, which the server passes on.

The client library would take keys from the autoscaler's own environment; here they are those of the
connection string or of the identity that was named, asked for at each login. The server learns who asks, and
never the secret key.

Source: https://github.com/mongodb/specifications/blob/master/source/auth/auth.md ("MONGODB-AWS")
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Malformed
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws.login import Login
from tidegate.kit.identity import AwsKeys, AwsLogin

if TYPE_CHECKING:
    from pymongo.asynchronous.pool import AsyncConnection

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
NONCE_BYTES = 32
_USUAL_REGION = "us-east-1"
_HOST = re.compile(r"(?=.{1,255}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


class AwsSasl:
    """The login of one server's connections."""

    def __init__(self, login: AwsLogin, surroundings: Surroundings, on: str) -> None:
        if login.identity is not None and surroundings.identities is not None:
            region = login.region or surroundings.identities.aws_places.region or _USUAL_REGION
            login = replace(login, region=region)
        self._login = Login(login, surroundings, on)
        self._on = on

    async def log_in(self, connection: AsyncConnection) -> None:
        """One of the five errors where there are no keys; the client's OperationFailure where they are
        refused, after which an identity gets others."""
        from pymongo.errors import OperationFailure

        keys = await self._login.keys()
        try:
            await self._talk(connection, keys)
        except OperationFailure:
            self._login.forget(keys)
            raise

    async def _talk(self, connection: AsyncConnection, keys: AwsKeys) -> None:
        import bson
        from bson.binary import Binary
        from bson.errors import BSONError

        nonce = os.urandom(NONCE_BYTES)
        first = bson.encode({"r": Binary(nonce), "p": ord("n")})
        start = {"saslStart": 1, "mechanism": "MONGODB-AWS", "payload": Binary(first)}
        said = await connection.command("$external", start)
        try:
            told = bson.decode(said["payload"])
            number, whole, host = said["conversationId"], bytes(told["s"]), told["h"]
        except (BSONError, KeyError, TypeError) as error:
            raise self._strange() from error
        if len(whole) != 2 * NONCE_BYTES or not whole.startswith(nonce):
            raise self._strange()
        if not isinstance(host, str) or not _HOST.fullmatch(host):
            raise self._strange()
        last = bson.encode(signed(keys, host, whole))
        answer = {"saslContinue": 1, "conversationId": number, "payload": Binary(last)}
        ended = await connection.command("$external", answer)
        if ended.get("done") is not True:
            raise self._strange()

    def _strange(self) -> Malformed:
        return Malformed("log in", on=self._on, answer="what came back is not the protocol of MONGODB-AWS")


def signed(keys: AwsKeys, host: str, nonce: bytes) -> dict[str, Any]:
    """What proves them: the header that AWS wants, its date, and the token of temporary keys."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(BODY)),
        "Host": host,
        "X-MongoDB-Server-Nonce": base64.b64encode(nonce).decode(),
        "X-MongoDB-GS2-CB-Flag": "n",
    }
    request = AWSRequest("POST", f"https://{host}/", headers, BODY)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token or None)
    SigV4Auth(credentials, "sts", region_of(host)).add_auth(request)
    proof = {"a": str(request.headers["Authorization"]), "d": str(request.headers["X-Amz-Date"])}
    return proof | ({"t": keys.session_token} if keys.session_token else {})


def region_of(host: str) -> str:
    """The region of an endpoint of STS: the second part of its name; us-east-1 for the one of all regions."""
    parts = host.split(".")
    return _USUAL_REGION if host == "sts.amazonaws.com" or len(parts) < 2 else parts[1]
