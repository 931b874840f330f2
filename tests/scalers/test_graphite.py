"""The Graphite trigger: whom it asks as whom, and which mistakes it tells."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.graphite import GraphiteServer, LatestPoint
from tidegate.kit.systems.http import HttpLogin, basic
from tidegate.testing.sheets import Sample

SAMPLES = {"graphite": Sample(may_be_negative=True)}

BASE = {"serverAddress": "http://graphite:8080/", "query": "shop.a", "queryTime": "-10Minutes"}


def build(metadata: dict[str, str], auth: dict[str, str] | None = None) -> Any:
    texts = {**BASE, **metadata}
    kind = scalers.find("graphite")
    assert kind is not None
    sources = Sources(texts, {}, auth or {})
    return reading.build(kind, Trigger(type="graphite", metadata=texts), sources, Scope("shop"))


@pytest.mark.parametrize(
    ("metadata", "auth", "server"),
    [
        ({}, {}, GraphiteServer("http://graphite:8080")),
        ({"serverAddress": "https://g/x/"}, {}, GraphiteServer("https://g/x")),
        ({}, {"username": "u"}, GraphiteServer("http://graphite:8080", HttpLogin((basic("u", ""),)))),
        (
            {"serverAddress": "http://a:b@g", "authMode": "basic"},
            {"username": "u", "password": "p"},
            GraphiteServer("http://g", HttpLogin((basic("u", "p"),))),
        ),
        ({"serverAddress": "http://a:b@g"}, {}, GraphiteServer("http://g", HttpLogin((basic("a", "b"),)))),
    ],
)
def test_a_server_and_a_user_are_named(
    metadata: dict[str, str], auth: dict[str, str], server: GraphiteServer
) -> None:
    assert build(metadata, auth).server() == server


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({"serverAddress": "graphite"}, "serverAddress", "is not an absolute URL"),
        ({"queryTime": ""}, "queryTime", "missing required parameter"),
        ({"authMode": "bearer"}, "authMode", "is not one of basic"),
        ({"authMode": "basic"}, "username", "username is required when authMode is 'basic'"),
        ({"query": "alias(shop.a"}, "query", "are not closed"),
        ({"query": "shop.a)"}, "query", "are not closed"),
        ({"query": "alias(shop.a,'x)"}, "query", "are not closed"),
        ({"query": "shop.{a,b]"}, "query", "are not closed"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str, message: str) -> None:
    problems = build(metadata)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message


def test_brackets_in_quotes_do_not_count() -> None:
    assert build({"query": 'alias(shop.{a,b}[0-9],"x)")'}).metric_name() == "graphite"


def test_what_it_asks_and_is_called() -> None:
    scaler = build({"activationThreshold": "3"})
    assert (scaler.metric_name(), scaler.metric_target(), scaler.activation_target()) == ("graphite", 100, 3)
    assert LatestPoint(scaler.server(), "-10Minutes", "shop.a") == LatestPoint(
        GraphiteServer("http://graphite:8080"), "-10Minutes", "shop.a"
    )
