"""The Redis stream triggers: what each combination of settings counts, and by which target."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scaler, Scope
from tidegate.kit.systems.redis import RedisServer, RedisStreamLag, RedisStreamLength, RedisStreamPending

BASE = {"address": "redis:6379", "stream": "orders"}
SERVER = RedisServer(("redis:6379",))


def build(metadata: dict[str, str], kind: str = "redis-streams") -> Any:
    found = scalers.find(kind)
    assert found is not None
    trigger = Trigger(type=kind, metadata=metadata)
    return reading.build(found, trigger, Sources(metadata), Scope("shop"))


@pytest.mark.parametrize(
    ("settings", "question", "target"),
    [
        ({}, RedisStreamLength(SERVER, "orders"), 5),
        ({"streamLength": "7"}, RedisStreamLength(SERVER, "orders"), 7),
        ({"lagCount": "3", "pendingEntriesCount": "2"}, RedisStreamLength(SERVER, "orders"), 5),
        ({"consumerGroup": "g"}, RedisStreamPending(SERVER, "orders", "g"), 5),
        ({"consumerGroup": "g", "pendingEntriesCount": "9"}, RedisStreamPending(SERVER, "orders", "g"), 9),
        ({"consumerGroup": "g", "lagCount": "0"}, RedisStreamPending(SERVER, "orders", "g"), 5),
        ({"consumerGroup": "g", "lagCount": "4"}, RedisStreamLag(SERVER, "orders", "g"), 4),
        (
            {"consumerGroup": "g", "lagCount": "4", "pendingEntriesCount": "9", "streamLength": "7"},
            RedisStreamLag(SERVER, "orders", "g"),
            4,
        ),
    ],
)
def test_the_settings_choose_what_is_counted_and_the_target(
    settings: dict[str, str], question: Any, target: float
) -> None:
    scaler = build({**BASE, **settings})
    asked: list[Any] = []

    def answer(one: Any) -> int:
        asked.append(one)
        return 12

    assert drive(scaler.measure(ASK, None), answer) == 12
    assert asked == [question]
    assert scaler.metric_target() == target
    assert scaler.metric_name() == "redis-streams-orders"


def test_the_activation_is_the_same_setting_in_every_mode() -> None:
    for more in ({}, {"consumerGroup": "g"}, {"consumerGroup": "g", "lagCount": "1"}):
        assert build({**BASE, **more, "activationLagCount": "8"}).activation_target() == 8


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"address": "redis:6379"}, "stream"),
        ({"stream": "orders"}, "address"),
        ({**BASE, "lagCount": "many"}, "lagCount"),
        ({**BASE, "pendingEntriesCount": "1.5"}, "pendingEntriesCount"),
        ({**BASE, "streamLength": "x"}, "streamLength"),
        ({**BASE, "databaseIndex": "x"}, "databaseIndex"),
    ],
)
def test_mistakes_are_told_by_their_setting(metadata: dict[str, str], path: str) -> None:
    problems = build(metadata)
    assert isinstance(problems, tuple)
    assert [problem.path for problem in problems if isinstance(problem, Problem)] == [path]


def test_a_lag_without_a_group_is_told_to_do_nothing() -> None:
    scaler = build({**BASE, "lagCount": "5"})
    assert isinstance(scaler, Scaler)
    assert [notice.path for notice in scaler.notices()] == ["lagCount"]


def test_a_cluster_and_sentinels_are_named_as_for_lists() -> None:
    cluster = build({**BASE, "addresses": "a:1,b:2"}, "redis-cluster-streams")
    assert cluster.server() == RedisServer(("redis:6379",), mode="cluster")
    sentinel = build({**BASE, "sentinelMaster": "m"}, "redis-sentinel-streams")
    assert sentinel.server() == RedisServer(("redis:6379",), mode="sentinel", master="m")
