"""What `awsSecretManager` asks, and as whom."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.auth.resolve import Options, Resolved, Unresolved
from tidegate.kit.fetched import Fetched
from tidegate.kit.identity import AwsKeys, Identity
from tidegate.kit.systems.aws import WHOLE, AwsServer, SecretVersion
from tidegate.kube.resource import SERVICE_ACCOUNTS

ROLE = "arn:aws:iam::1:role/lag"
POD = {"spec": {"serviceAccountName": "worker", "containers": [{"name": "main"}]}}


class Held:
    """Answers by question."""

    def __init__(self, answers: dict[Any, Fetched]) -> None:
        self.answers = answers

    def held(self, question: Any) -> Fetched | None:
        return self.answers.get(question)


def from_secret(key: str) -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": "aws", "key": key}}}


CREDENTIALS = {"accessKey": from_secret("id"), "accessSecretKey": from_secret("secret")}
KEYS = AwsServer("secretsmanager", "eu-west-1", AwsKeys("AKIA", "hunter2"))


def store(*secrets: Any, **more: Any) -> dict[str, Any]:
    return {"awsSecretManager": {"region": "eu-west-1", "secrets": list(secrets), **more}}


def test_members_of_one_secret_are_one_question_and_a_whole_one_another(world: Any, resolved: Any) -> None:
    world.secret("aws", id="AKIA", secret="hunter2")
    world.authentication(
        "x",
        store(
            {"parameter": "password", "name": "redis", "secretKey": "password"},
            {"parameter": "username", "name": "redis", "secretKey": "user"},
            {"parameter": "ca", "name": "redis-ca", "versionStage": "AWSPREVIOUS"},
            credentials=CREDENTIALS,
        ),
    )
    redis = SecretVersion(KEYS, "redis", is_object=True)
    authority = SecretVersion(KEYS, "redis-ca", version_stage="AWSPREVIOUS")
    held = Held({redis: Fetched({"password": "p", "user": "u"}), authority: Fetched({WHOLE: "PEM"})})
    found = resolved("x", options=Options(fetches=held))
    assert isinstance(found, Resolved)
    assert found.params == {"password": "p", "username": "u", "ca": "PEM"}
    assert found.wanted == {redis, authority}
    assert "hunter2" not in repr(found)


def test_a_session_token_goes_with_the_keys(world: Any, resolved: Any) -> None:
    world.secret("aws", id="AKIA", secret="hunter2", token="t")
    credentials = CREDENTIALS | {"accessToken": from_secret("token")}
    world.authentication("x", store({"parameter": "p", "name": "n"}, credentials=credentials))
    (question,) = resolved("x").wanted
    assert question.server.keys == AwsKeys("AKIA", "hunter2", "t")


@pytest.mark.parametrize(
    ("spec", "identity"),
    [
        ({"provider": "aws"}, Identity("aws")),
        ({"provider": "aws", "roleArn": ROLE}, Identity("aws", role_arn=ROLE)),
        (
            {"provider": "aws", "identityOwner": "workload"},
            Identity("aws", role_arn=ROLE, owner="workload", service_account="shop/worker", may_borrow=True),
        ),
    ],
)
@pytest.mark.parametrize("kind", ["TriggerAuthentication", "ClusterTriggerAuthentication"])
def test_an_identity_asks(world: Any, resolved: Any, kind: str, spec: Any, identity: Identity) -> None:
    annotations = {"eks.amazonaws.com/role-arn": ROLE}
    world.objects[(SERVICE_ACCOUNTS, "shop", "worker")] = {"metadata": {"annotations": annotations}}
    given = store({"parameter": "p", "name": "n"}, podIdentity=spec)
    world.authentication("x", given)
    world.cluster_authentication("x", given)
    found = resolved("x", kind=kind, template=POD, options=Options(lends_identity=("shop",)))
    (question,) = found.wanted
    assert question.server == AwsServer("secretsmanager", "eu-west-1", identity=identity)
    assert found.message == "waiting for awsSecretManager n on Secrets Manager in eu-west-1"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"podIdentity": {"provider": "aws"}}, "are not lent to namespace shop"),
        ({"podIdentity": {"provider": "gcp"}}, "pod identity provider gcp not supported"),
        ({}, "neither credentials nor podIdentity"),
        ({"podIdentity": {"provider": "none"}}, "neither credentials nor podIdentity"),
        ({"credentials": CREDENTIALS}, "there is no Secret shop/aws"),
    ],
)
def test_where_nobody_may_ask_nobody_does(world: Any, resolved: Any, more: Any, words: str) -> None:
    world.authentication("x", store({"parameter": "p", "name": "n"}, **more))
    found = resolved("x")
    assert isinstance(found, Unresolved)
    assert words in found.message
    assert found.wanted == frozenset()


def test_an_empty_key_is_none(world: Any, resolved: Any) -> None:
    world.secret("aws", id="AKIA", secret="")
    world.authentication("x", store({"parameter": "p", "name": "n"}, credentials=CREDENTIALS))
    assert "are required, and one is empty" in resolved("x").message
