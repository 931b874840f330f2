"""MSK's login: what is signed, and what a broker's refusal means."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from parts.aws_fake import MARK, REGION, AwsFake
from parts.http_server import answering
from parts.sigv4 import Signed, signature
from tidegate.base.errors import Denied, Malformed, Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.identities import Ground, Identities
from tidegate.connections.kafka.msk import Iam
from tidegate.connections.kafka.sasl import log_in
from tidegate.kit.identity import AwsKeys, AwsLogin, Identity
from tidegate.kit.systems.kafka import Sasl

HOST = "b-1.shop.x1y2z3.c4.kafka.eu-west-1.amazonaws.com"
LABEL = f"Kafka {HOST}:9098"
KEYS = AwsKeys("AKIAEXAMPLE", f"{MARK}-key", f"{MARK}/session+token=")
OF_KEYS = AwsLogin(REGION, KEYS)


def is_right(parts: dict[str, str], host: str, secret: str) -> bool:
    """Whether a broker would take it: by the signature over a request to `host`."""
    query = {name: value for name, value in parts.items() if name.lower() != "user-agent"}
    text = "&".join(f"{name}={_quoted(value)}" for name, value in query.items())
    signed = Signed("GET", f"https://{host}/?{text}", {"host": host})
    scope = query["X-Amz-Credential"].partition("/")[2]
    expected = signature(signed, secret, scope, query["X-Amz-Date"], ["host"])
    return expected == query["X-Amz-Signature"] and scope.split("/")[1:3] == [REGION, "kafka-cluster"]


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def parts_of(token: str) -> dict[str, str]:
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    return dict(parse_qsl(urlsplit(url).query))


async def sent(sasl: Sasl, bearer: Iam, *replies: bytes | Exception) -> list[bytes]:
    """What a broker that replies so was sent."""
    heard: list[bytes] = []
    left = iter(replies)

    async def exchange(message: bytes) -> bytes:
        heard.append(message)
        reply = next(left)
        if isinstance(reply, Exception):
            raise reply
        return reply

    await log_in(sasl, exchange, bearer, LABEL, host=HOST)
    return heard


async def test_under_oauthbearer_a_signed_url_is_the_token() -> None:
    bearer = Iam(OF_KEYS, "OAUTHBEARER", Surroundings(), LABEL)
    (message,) = await sent(Sasl("OAUTHBEARER", aws=OF_KEYS), bearer, b"")
    assert message.startswith(b"n,,\x01auth=Bearer ")
    assert message.endswith(b"\x01\x01")
    token = message.split(b"Bearer ")[1].rstrip(b"\x01").decode()
    assert "=" not in token
    parts = parts_of(token)
    assert parts["Action"] == "kafka-cluster:Connect"
    assert (parts["X-Amz-Expires"], parts["X-Amz-SignedHeaders"]) == ("900", "host")
    assert parts["X-Amz-Security-Token"] == KEYS.session_token
    assert parts["User-Agent"] == "tidegate"
    assert is_right(parts, f"kafka.{REGION}.amazonaws.com", KEYS.secret_access_key)


async def test_under_aws_msk_iam_the_signature_is_for_one_broker() -> None:
    bearer = Iam(OF_KEYS, "AWS_MSK_IAM", Surroundings(), LABEL)
    (message,) = await sent(Sasl("AWS_MSK_IAM", aws=OF_KEYS), bearer, b'{"version":"2020_10_22"}')
    told: dict[str, Any] = json.loads(message)
    assert (told["version"], told["host"], told["action"]) == ("2020_10_22", HOST, "kafka-cluster:Connect")
    names = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Security-Token", "Signature")
    parts = {f"X-Amz-{name}": told[f"x-amz-{name.lower()}"] for name in names}
    parts["Action"] = told["action"]
    assert is_right(parts, HOST, KEYS.secret_access_key)
    assert not is_right(parts, "b-2.elsewhere", KEYS.secret_access_key)


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "AWS_MSK_IAM"])
@pytest.mark.parametrize("reply", [Denied("log in"), b'{"status":"invalid_token"}'])
async def test_a_broker_that_refuses_the_identity_is_told_as_such(
    mechanism: Any, reply: bytes | Exception
) -> None:
    if mechanism == "AWS_MSK_IAM" and isinstance(reply, bytes):
        return
    bearer = Iam(OF_KEYS, mechanism, Surroundings(), LABEL)
    with pytest.raises(Denied, match="AWS identity was not accepted; let it have kafka-cluster") as caught:
        await sent(Sasl(mechanism, aws=OF_KEYS), bearer, reply)
    assert MARK not in str(caught.value)


async def test_a_broker_that_says_something_else_is_malformed() -> None:
    bearer = Iam(OF_KEYS, "AWS_MSK_IAM", Surroundings(), LABEL)
    with pytest.raises(Malformed, match="not the SASL mechanism"):
        await sent(Sasl("AWS_MSK_IAM", aws=OF_KEYS), bearer, b"v=abc")


async def test_a_region_is_no_way_to_sign_for_another_host() -> None:
    login = AwsLogin("eu.evil/x", KEYS)
    with pytest.raises(Misconfigured, match="no region's name"):
        await Iam(login, "OAUTHBEARER", Surroundings(), LABEL).token()


async def test_a_role_logs_in_with_its_keys_of_the_moment() -> None:
    aws = AwsFake()
    identity = Identity("aws", role_arn="arn:aws:iam::1:role/lag")
    login = AwsLogin(REGION, identity=identity)
    async with answering(aws) as fake:
        given = {"AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": f"{MARK}-own"}
        identities = Identities(Ground(Surroundings(), given | {"AWS_ENDPOINT_URL_STS": fake.origin}))
        around = Surroundings(identities=identities)
        bearer = Iam(login, "OAUTHBEARER", around, LABEL)
        try:
            first = parts_of(await bearer.token())
            assert parts_of(await bearer.token())["X-Amz-Credential"].startswith("ASIA1/")
            assert aws.operations() == ["AssumeRole"]
            bearer.forget("")
            assert parts_of(await bearer.token())["X-Amz-Credential"].startswith("ASIA2/")
        finally:
            await identities.close()
    assert is_right(first, f"kafka.{REGION}.amazonaws.com", aws.secrets["ASIA1"])
