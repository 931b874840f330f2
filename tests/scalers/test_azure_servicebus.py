"""Azure Service Bus: queue or subscription, patterns, and what refuses them."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed, Unreachable
from tidegate.kit import reading
from tidegate.kit.identity import Identity
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.azure import Namespace, read_namespace
from tidegate.kit.systems.azure_servicebus import ActiveMessages, AllActiveMessages, ServiceBusServer
from tidegate.testing.sheets import Sample

CONNECTION = "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=hunter2="
SERVER = ServiceBusServer(Namespace("shop.servicebus.windows.net", 0, "Root", "hunter2="))

SAMPLES = {"azure-servicebus": Sample(auth={"connection": CONNECTION})}


def build(
    metadata: dict[str, str], auth: dict[str, str] | None = None, identity: Identity | None = None, **env: str
) -> Any:
    found = scalers.find("azure-servicebus")
    assert found is not None
    auth = {"connection": CONNECTION} if auth is None else auth
    sources = Sources(metadata, env, auth, identity=identity)
    return reading.build(found, Trigger(type="azure-servicebus", metadata=metadata), sources, Scope("shop"))


QUEUE = {"queueName": "orders"}
SUBSCRIPTION = {"topicName": "news", "subscriptionName": "mail"}


@pytest.mark.parametrize(
    ("metadata", "question", "name"),
    [
        (QUEUE, ActiveMessages(SERVER, "orders"), "azure-servicebus-orders"),
        (SUBSCRIPTION, ActiveMessages(SERVER, "mail", "news"), "azure-servicebus-news"),
        (
            {"queueName": "shop/orders.v1"},
            ActiveMessages(SERVER, "shop/orders.v1"),
            "azure-servicebus-shop-orders-v1",
        ),
    ],
)
def test_a_queue_or_a_subscription_is_counted(metadata: dict[str, str], question: Any, name: str) -> None:
    asked: list[Any] = []

    def answer(one: Any) -> int:
        asked.append(one)
        return 12

    scaler = build(metadata)
    assert drive(scaler.measure(ASK, None), answer) == 12
    assert asked == [question]
    assert scaler.metric_name() == name


COUNTS = {"orders": 4, "orders-eu": 9, "old-orders": 100, "orders-us": 0}


@pytest.mark.parametrize(
    ("text", "operation", "value"),
    [
        ("orders.*", "sum", 13),
        ("orders.*", "max", 9),
        ("orders.*", "avg", 4),
        ("orders", "sum", 4),
        ("orders|orders-eu", "sum", 13),
        (".*", "max", 100),
        ("nothing", "sum", 0),
        ("nothing", "avg", 0),
        ("nothing", "max", 0),
    ],
)
def test_a_pattern_is_for_whole_names_and_their_counts_become_one(
    text: str, operation: str, value: float
) -> None:
    for metadata, topic in (
        ({"queueName": text}, ""),
        ({"topicName": "news", "subscriptionName": text}, "news"),
    ):
        scaler = build({**metadata, "useRegex": "true", "operation": operation})
        asked: list[Any] = []

        def answer(one: Any, asked: list[Any] = asked) -> dict[str, int]:
            asked.append(one)
            return COUNTS

        assert drive(scaler.measure(ASK, None), answer) == value
        assert asked == [AllActiveMessages(SERVER, topic)]
        assert scaler.metric_name() == f"azure-servicebus-{'topic' if topic else 'queue'}-regex"


def test_a_count_that_is_withheld_counts_where_it_matches() -> None:
    scaler = build({"queueName": "o.*", "useRegex": "true"})
    with pytest.raises(Unreachable, match="no CountDetails"):
        drive(scaler.measure(ASK, None), lambda _: {"orders": None})
    assert drive(scaler.measure(ASK, None), lambda _: {"orders": 1, "x": None}) == 1
    with pytest.raises(Malformed):
        drive(scaler.measure(ASK, None), lambda _: 7)


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({}, "no service bus entity type set"),
        ({"subscriptionName": "mail"}, "no service bus entity type set"),
        ({"topicName": "news"}, "no subscription name provided with topic name"),
        ({**QUEUE, "subscriptionName": "mail"}, "subscription name provided with queue name"),
        ({**QUEUE, **SUBSCRIPTION}, "both topic and queue name metadata provided"),
        ({"queueName": "[", "useRegex": "true"}, "queueName is not a valid regular expression"),
        (
            {"topicName": "t", "subscriptionName": "(?=x)", "useRegex": "true"},
            "subscriptionName is not a valid regular expression",
        ),
        ({**QUEUE, "operation": "sum,max"}, "is not one of sum, max, avg"),
        ({**QUEUE, "operation": "min"}, "is not one of sum, max, avg"),
    ],
)
def test_what_cannot_be_is_refused(metadata: dict[str, str], told: str) -> None:
    built = build(metadata)
    assert isinstance(built, tuple)
    assert any(told in problem.message for problem in built)


def test_patterns_that_only_re2_reads_are_read() -> None:
    assert not isinstance(build({"queueName": "^*x", "useRegex": "true"}), tuple)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", "is no connection string"),
        ("SharedAccessKeyName=Root;SharedAccessKey=hunter2", "names no namespace"),
        ("Endpoint=shop;SharedAccessKeyName=Root;SharedAccessKey=hunter2", "names no namespace"),
        ("Endpoint=sb://a b/;SharedAccessKeyName=Root;SharedAccessKey=hunter2", "names no host"),
        ("Endpoint=sb://shop:x/;SharedAccessKeyName=Root;SharedAccessKey=hunter2", "cannot be read"),
        ("Endpoint=sb://shop/;SharedAccessKeyName=Root", "has neither"),
        (CONNECTION + ";EntityPath=orders", "EntityPath"),
    ],
)
def test_a_connection_string_that_cannot_be_used_is_told_without_its_text(text: str, words: str) -> None:
    (problem,) = build(QUEUE, {"connection": text})
    assert problem.path == "connection"
    assert words in problem.message
    assert "hunter2" not in problem.message


def test_it_comes_from_the_authentication_or_the_environment_and_never_from_the_metadata() -> None:
    own = "Endpoint=sb://own/;SharedAccessKeyName=Root;SharedAccessKey=x"
    assert build({**QUEUE, "connectionFromEnv": "C"}, {}, C=own).measure is not None
    (problem,) = build({**QUEUE, "connection": own}, {})
    assert problem.message == "no connection setting given"


def test_where_a_namespace_is() -> None:
    assert SERVER.origin() == "https://shop.servicebus.windows.net"
    local = (
        "Endpoint=sb://localhost:5300;SharedAccessKeyName=R;SharedAccessKey=x;UseDevelopmentEmulator=true;"
    )
    assert ServiceBusServer(read_namespace(local)).origin() == "http://localhost:5300"
    assert ServiceBusServer(read_namespace(CONNECTION)) == SERVER


def test_an_identity_needs_a_namespace_and_a_cloud_that_there_is() -> None:
    identity = Identity("azure-workload")
    assert [problem.path for problem in build(QUEUE, {}, identity)] == ["namespace"]
    bad = {**QUEUE, "namespace": "shop", "cloud": "Moon"}
    assert [problem.path for problem in build(bad, {}, identity)] == ["cloud"]
    private = {**QUEUE, "namespace": "shop", "cloud": "Private"}
    assert [problem.path for problem in build(private, {}, identity)] == ["endpointSuffix"]
    assert build({**QUEUE, "namespace": "shop"}, {}, identity).asks_as() == identity
    assert not isinstance(build({**QUEUE, "cloud": "Moon"}), tuple), "clouds are for identities"


def test_targets_and_defaults_are_those_of_keda() -> None:
    scaler = build(QUEUE)
    assert (scaler.metric_target(), scaler.activation_target()) == (5, 0)
