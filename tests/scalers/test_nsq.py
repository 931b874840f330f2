"""The nsq trigger: whom it asks, how it adds up, which mistakes it tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.nsq import Depths, DepthsByTopic, Nodes, NodesByTopic, TopicDepth
from tidegate.kit.tls import Tls
from tidegate.scalers.nsq import NsqChannel
from tidegate.testing.sheets import Sample

BASE = {"nsqLookupdHTTPAddresses": "l1:4161, l2:4161", "topic": "orders", "channel": "invoices"}
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def sample(question: Any) -> Any:
    is_lookup = question.request.path == "/nodes"
    topics = {"orders": TopicDepth(9, {"invoices": 7})}
    return Nodes({"orders": ("n1:4151",)}) if is_lookup else Depths(topics)


SAMPLES = {"nsq": Sample(sample)}


def build(**metadata: str) -> Any:
    texts = {**BASE, **metadata}
    trigger = Trigger(type="nsq", metadata=texts)
    return reading.build(NsqChannel, trigger, Sources(texts, {"WHERE": "env:1"}, {}), Scope("shop"))


def depth(nodes: dict[str, Any], **stats: Any) -> Any:
    """What is measured when nsqlookupds answer `nodes` and the nsqds `stats`, both by their host."""
    asked: list[str] = []

    def answer(question: Any) -> Any:
        asked.append(question.server.origin.removeprefix("http://"))
        host = asked[-1].partition(":")[0]
        return Nodes(nodes[host]) if host in nodes else Depths(stats[host])

    return drive(build().measure(ASK, NOW), answer), asked


def test_all_nsqds_that_any_nsqlookupd_knows_are_asked_once_and_added() -> None:
    nodes = {"l1": {"orders": ("n1:1", "n2:1"), "other": ("n9:1",)}, "l2": {"orders": ("n2:1", "n3:1")}}
    stats = {
        "n1": {"orders": TopicDepth(100, {"invoices": 1, "mails": 50})},
        "n2": {"orders": TopicDepth(20, {"invoices": 2}), "other": TopicDepth(40, {"invoices": 80})},
        "n3": {"orders": TopicDepth(4, {})},
    }
    total, asked = depth(nodes, **stats)
    assert total == 1 + 2 + 4
    assert asked == ["l1:4161", "l2:4161", "n1:1", "n2:1", "n3:1"]


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ({"orders": TopicDepth(5, {"invoices": 3})}, 3),
        ({"orders": TopicDepth(5, {"mails": 3})}, 5),
        ({"orders": TopicDepth(5, {})}, 5),
        ({"orders": TopicDepth(5, {"invoices": 0})}, 0),
        ({"other": TopicDepth(5, {})}, 0),
    ],
    ids=["its channel", "another channel", "no channel", "empty or paused", "no topic"],
)
def test_the_topic_counts_while_the_channel_is_not_there(stats: Any, expected: int) -> None:
    assert depth({"l1": {"orders": ("n1:1",)}, "l2": {}}, n1=stats)[0] == expected


def test_a_topic_that_nobody_has_is_empty() -> None:
    assert depth({"l1": {}, "l2": {"other": ("n1:1",)}}) == (0, ["l1:4161", "l2:4161"])


@pytest.mark.parametrize(
    ("metadata", "origin", "tls"),
    [
        ({}, "http://l1:4161", None),
        ({"useHttps": "true"}, "https://l1:4161", Tls()),
        ({"useHttps": "true", "unsafeSsl": "true"}, "https://l1:4161", Tls(is_verified=False)),
        ({"nsqLookupdHTTPAddresses": "", "nsqLookupdHTTPAddressesFromEnv": "WHERE"}, "http://env:1", None),
    ],
)
def test_how_it_is_asked(metadata: dict[str, str], origin: str, tls: Tls | None) -> None:
    servers = []

    def answer(question: Any) -> Any:
        servers.append(question.server)
        return sample(question)

    drive(build(**metadata).measure(ASK, NOW), answer)
    assert (servers[0].origin, servers[0].tls) == (origin, tls)
    assert servers[-1].tls == tls
    assert servers[-1].origin == f"{origin.partition(':')[0]}://n1:4151"


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        ({"nsqLookupdHTTPAddresses": ""}, ["nsqLookupdHTTPAddresses"]),
        ({"topic": "", "channel": ""}, ["topic", "channel"]),
        ({"topic": "a b", "channel": "x" * 65}, ["topic", "channel"]),
        ({"topic": "a#Ephemeral", "channel": "#ephemeral"}, ["topic", "channel"]),
        ({"nsqLookupdHTTPAddresses": "http://l1:4161,l2"}, ["nsqLookupdHTTPAddresses"] * 2),
        ({"depthThreshold": "0"}, ["depthThreshold"]),
        ({"depthThreshold": "1.5"}, ["depthThreshold"]),
        ({"activationDepthThreshold": "-1"}, ["activationDepthThreshold"]),
        ({"useHttps": "yes", "unsafeSsl": "no"}, ["useHttps", "unsafeSsl"]),
    ],
)
def test_a_mistake_is_told_by_its_setting(metadata: dict[str, str], paths: list[str]) -> None:
    problems = build(**metadata)
    assert isinstance(problems, tuple), problems
    assert [problem.path for problem in problems] == paths


def test_the_metric_is_named_after_topic_and_channel() -> None:
    assert build(topic="a.b", channel="c#ephemeral").metric_name() == "nsq-a-b-c#ephemeral"
    assert (build().metric_target(), build().activation_target()) == (10, 0)


def test_nodes_are_read_by_topic_and_those_that_gave_it_up_left_out() -> None:
    body = b"""{"producers": [
        {"broadcast_address": "n1", "http_port": 1, "tombstones": [false, true], "topics": ["a", "b"]},
        {"broadcast_address": "fe80::1", "http_port": 2, "topics": ["b"], "tombstones": null}],
        "more": 1}"""
    assert NodesByTopic.read(body) == Nodes({"a": ("n1:1",), "b": ("[fe80::1]:2",)})
    assert NodesByTopic.read(b'{"producers": null}') == Nodes({})


def test_stats_are_read_by_topic() -> None:
    body = b"""{"topics": [
        {"topic_name": "a", "depth": 3, "channels": [
            {"channel_name": "c", "depth": 2, "paused": false},
            {"channel_name": "d", "depth": 5, "paused": true}]},
        {"topic_name": "b", "depth": 0, "channels": null}]}"""
    topics = {"a": TopicDepth(3, {"c": 2, "d": 0}), "b": TopicDepth(0, {})}
    assert DepthsByTopic.read(body) == Depths(topics)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data": {"producers": []}}',
        b'{"producers": [1]}',
        b'{"producers": [{"topics": 1}]}',
        b'{"producers": [{"topics": ["a"]}]}',
        b'{"producers": [{"topics": [1], "broadcast_address": "n", "http_port": 1}]}',
        b'{"producers": [{"topics": ["a"], "broadcast_address": "n/x", "http_port": 1}]}',
        b'{"producers": [{"topics": ["a"], "broadcast_address": "n", "http_port": 0}]}',
        b'{"producers": [{"topics": ["a"], "tombstones": 1, "broadcast_address": "n", "http_port": 1}]}',
    ],
)
def test_strange_nodes_are_not_taken_for_none(body: bytes) -> None:
    with pytest.raises(Unpicked):
        NodesByTopic.read(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"topics": {}}',
        b'{"topics": [null]}',
        b'{"topics": [{"topic_name": "a", "depth": 1}]}',
        b'{"topics": [{"topic_name": "a", "channels": []}]}',
        b'{"topics": [{"topic_name": "a", "depth": -1, "channels": []}]}',
        b'{"topics": [{"topic_name": "a", "depth": "1", "channels": []}]}',
        b'{"topics": [{"topic_name": "a", "depth": true, "channels": []}]}',
        b'{"topics": [{"topic_name": "a", "depth": 1, "channels": [{"channel_name": "c"}]}]}',
        b'{"topics": [{"topic_name": 1, "depth": 1, "channels": []}]}',
    ],
)
def test_strange_stats_are_not_taken_for_nothing(body: bytes) -> None:
    with pytest.raises(Unpicked):
        DepthsByTopic.read(body)
