"""Who signs the queries of a `prometheus` trigger at Amazon's managed service."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.identity import AwsKeys, AwsLogin, AwsSignature, Identity
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope

REGION = "eu-west-1"
BASE = {
    "serverAddress": "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1",
    "query": "up",
    "threshold": "5",
}
KEYS = {"awsAccessKeyID": "AKIA", "awsSecretAccessKey": "hunter2"}
OWN, IN_ROLE = Identity("aws"), Identity("aws", role_arn="arn:aws:iam::1:role/lag")
OF_WORKLOAD = Identity("aws-eks", role_arn="arn:aws:iam::1:role/own", service_account="shop/worker")


def build(metadata: dict[str, str], auth: dict[str, str], identity: Identity | None = None) -> Any:
    texts = {**BASE, **metadata}
    kind = scalers.find("prometheus")
    assert kind is not None
    sources = Sources(texts, {}, auth, identity=identity)
    return reading.build(kind, Trigger(type="prometheus", metadata=texts), sources, Scope("shop"))


@pytest.mark.parametrize(
    ("metadata", "auth", "identity", "login"),
    [
        ({"awsRegion": REGION}, KEYS, None, AwsLogin(REGION, AwsKeys("AKIA", "hunter2"))),
        ({}, KEYS | {"awsRegion": REGION}, None, AwsLogin(REGION, AwsKeys("AKIA", "hunter2"))),
        (
            {"awsRegion": REGION},
            KEYS | {"awsSessionToken": "t"},
            None,
            AwsLogin(REGION, AwsKeys("AKIA", "hunter2", "t")),
        ),
        ({"awsRegion": REGION}, KEYS, OWN, AwsLogin(REGION, identity=OWN)),
        ({"awsRegion": REGION}, {"awsRoleArn": IN_ROLE.role_arn}, OWN, AwsLogin(REGION, identity=IN_ROLE)),
        ({"awsRegion": REGION}, {"awsRoleArn": IN_ROLE.role_arn}, None, AwsLogin(REGION, identity=IN_ROLE)),
        ({"awsRegion": REGION}, KEYS, OF_WORKLOAD, AwsLogin(REGION, identity=OF_WORKLOAD)),
        (
            {"awsRegion": REGION, "identityOwner": "operator"},
            KEYS,
            None,
            AwsLogin(REGION, identity=Identity("aws", owner="keda")),
        ),
        ({}, KEYS, None, None),
        ({"awsRegion": REGION}, {}, None, None),
        ({"awsRegion": REGION}, {"awsAccessKeyID": "AKIA"}, None, None),
        ({"awsRegion": REGION, "authModes": "bearer"}, KEYS | {"token": "t"}, None, None),
    ],
)
def test_who_signs(
    metadata: dict[str, str], auth: dict[str, str], identity: Identity | None, login: AwsLogin | None
) -> None:
    scaler = build({**metadata, "unsafeSsl": "true"}, auth, identity)
    server = scaler.query_request("up").server
    assert server.login.signature == (AwsSignature("aps", login) if login is not None else None)
    assert scaler.asks_as() == (login.identity if login is not None else None)
    assert server.tls.is_verified == (login is not None), "whoever reads a signature may use it"
    assert "hunter2" not in repr(server)


def test_a_region_by_which_nothing_is_signed_is_told() -> None:
    assert [one.path for one in build({"awsRegion": REGION}, {}).notices()] == ["awsRegion"]
    assert list(build({"awsRegion": REGION}, KEYS).notices()) == []


@pytest.mark.parametrize(
    ("metadata", "path"), [({}, "awsRegion"), ({"awsRegion": REGION, "authModes": "bearer"}, "authModes")]
)
def test_what_an_identity_needs_and_does_not_go_with_is_told(metadata: dict[str, str], path: str) -> None:
    (problem,) = build(metadata, {"token": "t"}, OWN)
    assert problem.path == path
