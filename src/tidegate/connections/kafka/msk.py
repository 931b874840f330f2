"""Amazon MSK's login: a request to connect, signed and never sent to AWS, which the broker checks.

Under OAUTHBEARER the signed URL is the token, for every cluster of the region; under AWS_MSK_IAM its parts
are a message for one broker. Either is made anew for each login.

Source: https://docs.aws.amazon.com/msk/latest/developerguide/iam-access-control.html, and AWS's signers
"""

from __future__ import annotations

import base64
from urllib.parse import parse_qsl, urlsplit

import msgspec
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tidegate.base.errors import Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws.login import Login
from tidegate.connections.aws.places import is_region
from tidegate.kit.identity import AwsKeys, AwsLogin
from tidegate.kit.systems.kafka import Mechanism

LIFE_S = 900
AGENT = "tidegate"
_ACTION = "kafka-cluster:Connect"
_VERSION = "2020_10_22"


class Iam:
    """The proofs of one login. `forget` makes an identity get other keys before the next."""

    def __init__(self, login: AwsLogin, mechanism: Mechanism, surroundings: Surroundings, label: str) -> None:
        self._region = login.region
        self._mechanism = mechanism
        self._label = label
        self._login = Login(login, surroundings, label)
        self._keys = AwsKeys("")

    async def token(self, host: str = "") -> str:
        """What the mechanism sends: a bearer's token, or a message for the broker `host`."""
        if not is_region(self._region):
            answer = "awsRegion is no region's name"
            raise Misconfigured("log in", on=self._label, answer=answer, next_step="correct it")
        self._keys = await self._login.keys()
        if self._mechanism == "AWS_MSK_IAM":
            return message(presigned(self._keys, self._region, host), host)
        url = presigned(self._keys, self._region, f"kafka.{self._region}.amazonaws.com")
        return base64.urlsafe_b64encode(f"{url}&User-Agent={AGENT}".encode()).decode().rstrip("=")

    def forget(self, token: str) -> None:
        """A broker has refused it."""
        self._login.forget(self._keys)

    async def close(self) -> None:
        """There is nothing to close."""


def presigned(keys: AwsKeys, region: str, host: str) -> str:
    """The URL of the request that would connect, with its signature in the query."""
    request = AWSRequest("GET", f"https://{host}/?Action={_ACTION.replace(':', '%3A')}")
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token or None)
    SigV4QueryAuth(credentials, "kafka-cluster", region, expires=LIFE_S).add_auth(request)
    return str(request.url)


def message(url: str, host: str) -> str:
    """The parts of a signed URL as AWS_MSK_IAM wants them, in lower case."""
    parts = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    head = {"version": _VERSION, "host": host, "user-agent": AGENT}
    return msgspec.json.encode(head | parts).decode()
