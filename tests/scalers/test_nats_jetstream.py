"""The nats-jetstream trigger: what it asks, whom it believes, which mistakes it tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed, Unreachable
from tidegate.core.claims.wishes import Wishes
from tidegate.kit import reading
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.nats import Account, Consumer, JetStream, JetStreamPage, Server, ServerPage
from tidegate.scalers.nats_jetstream import JetStreamConsumer
from tidegate.testing.sheets import Sample

BASE = {
    "natsServerMonitoringEndpoint": "nats:8222",
    "account": "$G",
    "stream": "orders",
    "consumer": "invoices",
}
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def page(pending: int, leader: str = "", size: int = 0, unacknowledged: int = 0, **names: str) -> JetStream:
    consumer = Consumer(pending, unacknowledged, leader)
    named = {"name": "$G", "id": "$G", "stream": "orders", "consumer": "invoices", **names}
    streams = {named["stream"]: {named["consumer"]: consumer, "other": Consumer(99, 0)}}
    return JetStream(size, (Account("X", "X", {}), Account(named["name"], named["id"], streams)))


SAMPLES = {"nats-jetstream": Sample(lambda _: page(4, unacknowledged=3))}


def build(auth: dict[str, str] | None = None, **metadata: str) -> Any:
    texts = {key: text for key, text in {**BASE, **metadata}.items() if text}
    trigger = Trigger(type="nats-jetstream", metadata=texts)
    return reading.build(JetStreamConsumer, trigger, Sources(texts, {}, auth or {}), Scope("shop"))


def lag(scaler: Any, answers: dict[str, Any]) -> tuple[Any, list[str]]:
    """What is measured when `host/page` is answered so; and whom it asked."""
    asked: list[str] = []

    def answer(question: Any) -> Any:
        asked.append(question.server.origin.removeprefix("http://") + question.request.path)
        return answers[asked[-1]]

    return drive(scaler.measure(ASK, NOW), answer), asked


def test_one_server_is_asked_once_and_what_is_unacknowledged_counts() -> None:
    assert lag(build(), {"nats:8222/jsz": page(4, unacknowledged=3)}) == (7, ["nats:8222/jsz"])
    assert lag(build(), {"nats:8222/jsz": page(4, "anybody", size=1)})[0] == 4


@pytest.mark.parametrize(
    ("metadata", "query"),
    [
        ({}, "/jsz?acc=%24G&consumers=true"),
        ({"account": "shop"}, "/jsz?acc=shop&consumers=true"),
        ({"account": "", "accountID": "AB"}, "/jsz?acc=AB&consumers=true"),
        ({"account": "shop", "accountID": "AB"}, "/jsz?acc=AB&consumers=true"),
    ],
)
def test_the_account_goes_into_the_question(metadata: dict[str, str], query: str) -> None:
    names = {"name": metadata.get("account", "$G") or "whatever", "id": metadata.get("accountID", "shop")}
    asked = []

    def answer(question: Any) -> Any:
        asked.append(question.request.target())
        return page(1, **names)

    assert drive(build(**metadata).measure(ASK, NOW), answer) == 1
    assert asked == [query]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (JetStream(), "account not found"),
        (page(1, name="A", id="B"), "account not found"),
        (page(1, stream="bills"), 'stream "orders" not found'),
        (page(1, consumer="bills"), 'consumer "invoices" not found in stream "orders"'),
    ],
)
def test_what_is_not_there_is_an_error_and_not_a_zero(answer: JetStream, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        lag(build(), {"nats:8222/jsz": answer})


CLUSTER = {
    "nats:8222/jsz": page(0, "n2", size=3),
    "nats:8222/varz": Server("n1", hosts=("10.0.0.1", "10.0.0.2", "10.0.0.3")),
    "10.0.0.1:8222/varz": Server("n1"),
    "10.0.0.1:8222/jsz": page(0, "n2", size=3),
    "10.0.0.2:8222/varz": Server("n2"),
    "10.0.0.2:8222/jsz": page(5, "n2", size=3),
}


def test_in_a_cluster_the_leader_is_believed_and_nobody_else() -> None:
    total, asked = lag(build(), CLUSTER)
    assert (total, asked) == (5, list(CLUSTER))


def test_a_stream_that_only_another_node_has_is_found_there() -> None:
    assert lag(build(), CLUSTER | {"nats:8222/jsz": JetStream(3)})[0] == 5


def test_a_node_that_does_not_answer_matters_only_where_no_leader_is_found() -> None:
    dead = Unreachable("read the nodes", on="n1")
    assert lag(build(), CLUSTER | {"10.0.0.1:8222/varz": dead})[0] == 5
    follower = page(0, "n1", size=3)
    rest = {"10.0.0.2:8222/jsz": follower, "10.0.0.3:8222/varz": Server("n3"), "10.0.0.3:8222/jsz": follower}
    with pytest.raises(Unreachable) as caught:
        lag(build(), CLUSTER | rest | {"10.0.0.1:8222/varz": dead})
    assert caught.value is dead
    with pytest.raises(Malformed, match="leader node not found for consumer invoices"):
        lag(build(), CLUSTER | rest)


def test_nodes_that_are_not_advertised_are_asked_by_their_names() -> None:
    answers = {
        "nats:8222/jsz": page(0, "nats-1", size=3),
        "nats:8222/varz": Server("nats-0", node_names=("nats-0", "nats-1")),
        "nats-0.nats:8222/jsz": page(0, "nats-1", size=3),
        "nats-1.nats:8222/jsz": page(6, "nats-1", size=3),
    }
    assert lag(build(), answers) == (6, list(answers))


def test_the_endpoint_may_come_from_the_authentication_and_tls_is_a_switch() -> None:
    auth = {"natsServerMonitoringEndpoint": "safe:1", "account": "A", "accountID": "B"}
    servers = []

    def answer(question: Any) -> Any:
        servers.append(question.server)
        return page(1, name="A", id="B")

    drive(build(auth, useHttps="true").measure(ASK, NOW), answer)
    assert [one.origin for one in servers] == ["https://safe:1"]


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        (dict.fromkeys(BASE, ""), ["natsServerMonitoringEndpoint", "account", "stream", "consumer"]),
        ({"account": ""}, ["account"]),
        ({"natsServerMonitoringEndpoint": "http://nats:8222"}, ["natsServerMonitoringEndpoint"]),
        ({"natsServerMonitoringEndpoint": "nats"}, ["natsServerMonitoringEndpoint"]),
        ({"lagThreshold": "ten"}, ["lagThreshold"]),
        ({"useHttps": "yes"}, ["useHttps"]),
    ],
)
def test_a_mistake_is_told_by_its_setting(metadata: dict[str, str], paths: list[str]) -> None:
    problems = build(**metadata)
    assert isinstance(problems, tuple), problems
    assert sorted({problem.path for problem in problems}) == sorted(paths)


def test_names_and_numbers_are_kedas() -> None:
    scaler = build(stream="a.b", activationLagThreshold="3")
    assert scaler.metric_name() == "nats-jetstream-a-b"
    assert (scaler.metric_target(), scaler.activation_target(), build().activation_target()) == (10, 3, 0)


def test_pages_are_read() -> None:
    jsz = {
        "streams": 1,
        "meta_cluster": {"cluster_size": 3},
        "account_details": [
            {
                "name": "shop",
                "id": "AB",
                "stream_detail": [
                    {"name": "empty"},
                    {
                        "name": "orders",
                        "consumer_detail": [
                            {
                                "name": "c",
                                "num_pending": 2,
                                "num_ack_pending": 1,
                                "cluster": {"leader": "n1"},
                            },
                            {"name": "d", "num_pending": 0, "num_ack_pending": 0},
                        ],
                    },
                ],
            }
        ],
    }
    streams = {"empty": {}, "orders": {"c": Consumer(2, 1, "n1"), "d": Consumer(0, 0)}}
    assert JetStreamPage.read(json.dumps(jsz).encode()) == JetStream(3, (Account("shop", "AB", streams),))
    assert JetStreamPage.read(b'{"streams": 0}') == JetStream()
    varz = {"server_name": "n1", "connect_urls": ["10.0.0.1:4222", "[fe80::1]:4222", "10.0.0.1:5222"]}
    assert ServerPage.read(json.dumps(varz).encode()) == Server("n1", hosts=("10.0.0.1", "[fe80::1]"))
    routes = {"server_name": "n1", "cluster": {"urls": ["nats-0.nats.shop:6222", "nats-1.nats.shop:6222"]}}
    assert ServerPage.read(json.dumps(routes).encode()) == Server("n1", node_names=("nats-0", "nats-1"))
    assert ServerPage.read(b'{"server_name": "n1", "cluster": {}}') == Server("n1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"streams": 1, "meta_cluster": 3}',
        b'{"streams": 1, "meta_cluster": {"cluster_size": "3"}}',
        b'{"streams": 1, "account_details": {}}',
        b'{"streams": 1, "account_details": [1]}',
        b'{"streams": 1, "account_details": [{"name": "A"}]}',
        b'{"streams": 1, "account_details": [{"name": "A", "id": "A", "stream_detail": [{}]}]}',
        b'{"streams": 1, "account_details": [{"name": "A", "id": "A", "stream_detail": [{"name": "s",'
        b' "consumer_detail": [{"name": "c", "num_pending": -1, "num_ack_pending": 0}]}]}]}',
        b'{"streams": 1, "account_details": [{"name": "A", "id": "A", "stream_detail": [{"name": "s",'
        b' "consumer_detail": [{"name": "c", "num_pending": 1}]}]}]}',
    ],
)
def test_a_strange_page_is_not_taken_for_an_empty_one(body: bytes) -> None:
    with pytest.raises(Unpicked):
        JetStreamPage.read(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"server_name": 1}',
        b'{"server_name": "a", "connect_urls": "x"}',
        b'{"server_name": "a", "connect_urls": [1]}',
        b'{"server_name": "a", "connect_urls": ["x"]}',
        b'{"server_name": "a", "cluster": []}',
    ],
)
def test_a_strange_server_is_told(body: bytes) -> None:
    with pytest.raises(Unpicked):
        ServerPage.read(body)


JWT = "-----BEGIN NATS USER JWT-----\naa.bb.cc\n------END NATS USER JWT------\n"
SEED = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4"
CREDS = f"{JWT}\n-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
CLIENTS = "nats://a, tls://b:5222"


@pytest.mark.parametrize(
    ("url", "auth", "paths"),
    [
        ("http://nats:4222", {}, ["clientUrl"]),
        ("nats://shop:hunter2@nats:4222", {}, ["clientUrl"]),
        ("nats:x", {}, ["clientUrl"]),
        ("nats", {"natsPassword": "hunter2"}, ["natsPassword"]),
        ("nats", {"natsUser": "shop", "natsToken": "hunter2"}, ["natsToken"]),
        ("nats", {"natsCreds": "hunter2"}, ["natsCreds"]),
        ("nats", {"natsCreds": JWT}, ["natsCreds"]),
        ("nats", {"natsNkey": "hunter2"}, ["natsNkey"]),
        ("nats", {"cert": "hunter2"}, ["cert"]),
        ("nats", {"key": "hunter2", "natsNkey": "SUx"}, ["key", "natsNkey"]),
        ("", {"key": "hunter2", "natsNkey": "SUx"}, []),
        (CLIENTS, {"natsNkey": SEED, "cert": "x", "key": "y"}, []),
        (CLIENTS, {"natsCreds": CREDS}, []),
    ],
)
def test_what_is_wrong_with_the_clients_port_is_told_without_what_was_given(
    url: str, auth: dict[str, str], paths: list[str]
) -> None:
    found = build(auth, clientUrl=url)
    problems = found if isinstance(found, tuple) else ()
    assert sorted(problem.path for problem in problems) == paths
    assert "hunter2" not in repr(found)


def test_the_clients_port_is_one_or_several_with_a_login() -> None:
    server = build({"natsCreds": CREDS, "ca": "PEM"}, clientUrl=CLIENTS).client_server()
    assert (server.addresses, server.is_tls) == (("a:4222", "b:5222"), True)
    assert (server.login.jwt, server.login.seed, server.tls.ca) == ("aa.bb.cc", SEED, "PEM")
    assert server.label() == "NATS tls://a:4222, b:5222"
    assert build().client_server() is None
    assert build(clientUrl="[::1]").client_server().addresses == ("[::1]:4222",)


@pytest.mark.parametrize(
    ("changed", "dead_letter", "words"),
    [
        ({}, "", ""),
        ({}, "bad.orders", ""),
        ({"clientUrl": ""}, "", "let clientUrl name it"),
        ({"stream": "a.b"}, "", '"a.b" can be the name of no stream'),
        ({"consumer": "*"}, "", '"*" can be the name of no stream or consumer'),
        ({}, "bad.>", "let tidegate.dev/claim-dead-letter name words"),
        ({}, "$JS.API.STREAM.DELETE.orders", "is no subject to publish dead letters to"),
        ({}, "bad orders", "is no subject to publish dead letters to"),
    ],
)
def test_what_is_missing_to_claim_messages_is_said(
    changed: dict[str, str], dead_letter: str, words: str
) -> None:
    scaler = build(**{"clientUrl": "nats://a", **changed})
    problem = scaler.claim_problem(Wishes(dead_letter=dead_letter))
    assert words in problem if words else not problem


def test_with_another_login_it_is_the_same_consumer() -> None:
    one = build({"natsUser": "a", "natsPassword": "hunter2"}, clientUrl=CLIENTS).claim_source(Wishes())
    two = build({"natsToken": "hunter2"}, clientUrl=CLIENTS).claim_source(Wishes(dead_letter="bad"))
    assert one == two
    assert one.label() == "consumer invoices of stream orders of NATS tls://a:4222, b:5222"
    assert two.aside() == "subject bad"
    assert "hunter2" not in f"{one!r} {two!r}"
    assert one != build(clientUrl=CLIENTS, consumer="mails").claim_source(Wishes())
