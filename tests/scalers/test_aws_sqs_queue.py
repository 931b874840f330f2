"""SQS: which messages count, which URLs name a queue, and with whose key."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.core.claims.wishes import Wishes
from tidegate.kit import reading
from tidegate.kit.identity import AwsKeys, Identity
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.aws import AwsServer, SqsCounts, SqsQueue
from tidegate.kit.systems.sqs_claims import SqsSource
from tidegate.scalers.aws_sqs_queue import queue_name
from tidegate.testing.sheets import Sample

SAMPLES = {"aws-sqs-queue": Sample(lambda _: SqsCounts(4, 3, 100))}

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
BASE = {"queueURL": URL, "awsRegion": "eu-west-1"}
KEYS = {"awsAccessKeyID": "AKIA", "awsSecretAccessKey": "hunter2"}


def build(
    metadata: dict[str, str] | None = None,
    auth: dict[str, str] | None = None,
    identity: Identity | None = None,
    **env: str,
) -> Any:
    found = scalers.find("aws-sqs-queue")
    assert found is not None
    texts = {**BASE, **(metadata or {})}
    sources = Sources(texts, env, KEYS if auth is None else auth, identity=identity)
    return reading.build(found, Trigger(type="aws-sqs-queue", metadata=texts), sources, Scope("shop"))


@pytest.mark.parametrize(
    ("settings", "total"),
    [
        ({}, 7),
        ({"scaleOnInFlight": "false"}, 4),
        ({"scaleOnDelayed": "true"}, 107),
        ({"scaleOnDelayed": "true", "scaleOnInFlight": "false"}, 104),
    ],
)
def test_waiting_messages_count_and_others_as_the_settings_say(settings: dict[str, str], total: int) -> None:
    asked: list[Any] = []

    def answer(question: Any) -> SqsCounts:
        asked.append(question)
        return SqsCounts(4, 3, 100)

    assert drive(build(settings).measure(ASK, None), answer) == total
    server = AwsServer("sqs", "eu-west-1", AwsKeys("AKIA", "hunter2"))
    assert asked == [SqsQueue(server, URL)], "whatever counts, one call for all"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (URL, "orders"),
        ("http://127.0.0.1:4566/000000000000/q", "q"),
        ("http://127.0.0.1:9324/queue/q.fifo", "q.fifo"),
        ("my-queue", "my-queue"),
        ("/123456789012/q", "q"),
        ("https://sqs.eu-west-1.amazonaws.com/orders", None),
        ("https://sqs.eu-west-1.amazonaws.com/1/2/3", None),
        ("https://sqs.eu-west-1.amazonaws.com/1/", None),
        ("http://[::1/x/y", None),
    ],
)
def test_a_url_has_two_segments_and_anything_else_is_a_name(url: str, name: str | None) -> None:
    assert queue_name(url) == name
    built = build({"queueURL": url})
    if name is None:
        assert [problem.path for problem in built] == ["queueURL"]
    else:
        assert built.metric_name() == f"aws-sqs-{name}".replace(".", "-")


@pytest.mark.parametrize(
    ("metadata", "auth", "env", "keys"),
    [
        ({}, KEYS, {}, AwsKeys("AKIA", "hunter2")),
        ({}, KEYS | {"awsSessionToken": "t"}, {}, AwsKeys("AKIA", "hunter2", "t")),
        ({}, {"awsAccessKeyId": "B", "awsSecretAccessKey": "s"}, {}, AwsKeys("B", "s")),
        (
            {"awsAccessKeyIDFromEnv": "ID", "awsSecretAccessKeyFromEnv": "SECRET"},
            {},
            {"ID": "E", "SECRET": "s"},
            AwsKeys("E", "s"),
        ),
        (
            {"awsAccessKeyID": "L", "awsSecretAccessKeyFromEnv": "SECRET"},
            {},
            {"SECRET": "s"},
            AwsKeys("L", "s"),
        ),
    ],
)
def test_keys_come_from_the_authentication_or_the_environment(
    metadata: dict[str, str], auth: dict[str, str], env: dict[str, str], keys: AwsKeys
) -> None:
    assert build(metadata, auth, **env).server().keys == keys


@pytest.mark.parametrize(
    ("auth", "paths"),
    [
        ({}, ["awsAccessKeyID", "awsSecretAccessKey"]),
        ({"awsAccessKeyID": "AKIA"}, ["awsSecretAccessKey"]),
    ],
)
def test_without_keys_both_are_asked_for(auth: dict[str, str], paths: list[str]) -> None:
    assert [problem.path for problem in build({"awsSecretAccessKey": "unread"}, auth)] == paths


@pytest.mark.parametrize(
    ("metadata", "auth", "identity", "asks_as"),
    [
        ({}, KEYS, None, None),
        ({"identityOwner": "pod"}, KEYS, None, None),
        ({}, KEYS, Identity("aws", role_arn="r"), Identity("aws", role_arn="r")),
        ({"identityOwner": "operator"}, KEYS, None, Identity("aws", owner="keda")),
        ({"identityOwner": "operater"}, {}, None, Identity("aws", owner="keda")),
        ({}, {"awsRoleArn": "arn:x"} | KEYS, None, Identity("aws", role_arn="arn:x")),
        ({}, KEYS, Identity("gcp"), None),
        ({}, {"awsRoleArn": "r"}, Identity("aws"), Identity("aws", role_arn="r")),
        ({}, {"awsRoleArn": "no"}, Identity("aws", role_arn="r"), Identity("aws", role_arn="r")),
        ({"identityOwner": "operator"}, {}, Identity("aws", role_arn="r"), Identity("aws", role_arn="r")),
        ({}, KEYS, Identity("aws-eks", role_arn="r"), Identity("aws-eks", role_arn="r")),
        ({"identityOwner": "operator"}, {}, Identity("aws-eks"), Identity("aws", owner="keda")),
    ],
)
def test_an_identity_comes_before_keys(
    metadata: dict[str, str], auth: dict[str, str], identity: Identity | None, asks_as: Identity | None
) -> None:
    built = build(metadata, auth, identity)
    assert built.asks_as() == asks_as
    assert (built.server().keys is None) == (asks_as is not None)
    assert built.server().identity == asks_as


def test_the_region_and_the_endpoint_say_where() -> None:
    assert build().server().origin() == "https://sqs.eu-west-1.amazonaws.com"
    assert build({"awsRegion": "cn-north-1"}).server().origin() == "https://sqs.cn-north-1.amazonaws.com.cn"
    local = build({"awsEndpoint": "http://localhost:4566/"})
    assert local.server().origin() == "http://localhost:4566"
    assert [problem.path for problem in build({"awsEndpoint": "localhost"})] == ["awsEndpoint"]


def test_a_deprecated_owner_is_told() -> None:
    kind = scalers.find("aws-sqs-queue")
    assert kind is not None
    told = reading.announcements(kind, Sources({**BASE, "identityOwner": "pod"}))
    assert [problem.path for problem in told] == ["identityOwner"]


def test_messages_are_claimed_as_the_trigger_asks_and_put_aside_where_an_annotation_says() -> None:
    built = build()
    wishes = Wishes(dead_letter="bad", attempts=3)
    assert built.claim_source(wishes) == SqsSource(built.server(), built.queue_url)
    source = built.claim_source(wishes)
    assert (source.server, source.dead_letter, source.attempts) == (built.server(), "bad", 3)
    assert source.aside() == "queue bad"
    assert built.claim_problem(wishes) == ""
    assert "standard queue" in built.claim_problem(Wishes(dead_letter="bad.fifo"))
