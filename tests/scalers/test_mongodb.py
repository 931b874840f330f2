"""The MongoDB trigger: which server it names, what it asks, which mistakes it tells."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Polled, Scaler, Scope
from tidegate.kit.systems.mongodb import MongodbCount, MongodbServer
from tidegate.kit.tls import Tls

COUNTED = {"dbName": "shop", "collection": "orders", "query": '{"a": 1}', "queryValue": "5"}
PARTS = {"host": "db", "port": "27017", "username": "u", "password": "p"}
BASE = {**COUNTED, **PARTS}


def build(
    metadata: dict[str, str], auth: dict[str, str] | None = None, env: dict[str, str] | None = None
) -> Scaler | tuple[Problem, ...]:
    kind = scalers.find("mongodb")
    assert kind is not None
    trigger = Trigger(type="mongodb", metadata=metadata)
    return reading.build(kind, trigger, Sources(metadata, env or {}, auth or {}), Scope("shop"))


def asked(scaler: Any) -> MongodbCount:
    questions: list[MongodbCount] = []
    drive(scaler.measure(ASK, None), lambda question: questions.append(question) or 1)  # type: ignore[func-returns-value]
    (question,) = questions
    return question


@pytest.mark.parametrize(
    ("metadata", "auth", "env", "uri"),
    [
        (BASE, {}, {}, "mongodb://u:p@db:27017/shop"),
        (BASE, {"password": "p@:/w"}, {}, "mongodb://u:p%40%3A%2Fw@db:27017/shop"),
        ({**BASE, "password": "", "passwordFromEnv": "PW"}, {}, {"PW": "e"}, "mongodb://u:e@db:27017/shop"),
        ({**BASE, "host": "::1"}, {}, {}, "mongodb://u:p@[::1]:27017/shop"),
        ({**BASE, "scheme": "mongodb+srv", "port": ""}, {}, {}, "mongodb+srv://u:p@db/shop"),
        ({**BASE, "connectionString": "mongodb://x"}, {}, {}, "mongodb://x"),
        (BASE, {"connectionString": "mongodb://y"}, {}, "mongodb://y"),
        ({**COUNTED, "connectionStringFromEnv": "C"}, {}, {"C": "mongodb://z"}, "mongodb://z"),
    ],
)
def test_the_server_comes_from_the_string_or_the_parts(
    metadata: dict[str, str], auth: dict[str, str], env: dict[str, str], uri: str
) -> None:
    question = MongodbCount(MongodbServer(uri), "shop", "orders", '{"a": 1}')
    assert asked(build(metadata, auth, env)) == question


@pytest.mark.parametrize(
    ("auth", "tls"),
    [
        ({}, None),
        ({"ca": "C", "cert": "D"}, None),
        ({"tls": "disable", "ca": "C"}, None),
        ({"tls": "enable", "ca": "C"}, Tls("C")),
        (
            {"tls": "enable", "cert": "D", "key": "K", "keyPassword": "P"},
            Tls("", "D", "K", "P"),
        ),
    ],
)
def test_tls_is_spoken_only_where_it_is_switched_on(auth: dict[str, str], tls: Tls | None) -> None:
    server = asked(build(BASE, auth)).server
    assert isinstance(server, MongodbServer)
    assert server.tls == tls


@pytest.mark.parametrize(
    ("metadata", "auth", "problems"),
    [
        (
            {"host": "", "port": "", "username": "", "password": ""},
            {},
            [(name, f"no {name} given") for name in ("host", "port", "username", "password")],
        ),
        ({"scheme": "http"}, {}, [("scheme", "is not mongodb or mongodb+srv")]),
        ({"connectionString": "hunter2"}, {}, [("connectionString", "begins neither with mongodb://")]),
        (
            {"connectionString": "mongodb://db/?authMechanism=MONGODB-AWS"},
            {},
            [
                (
                    "connectionString",
                    "has no AWS key for MONGODB-AWS; write one into it, or name podIdentity aws",
                )
            ],
        ),
        (
            {"connectionString": "mongodb://key@db/?authMechanism=MONGODB-AWS"},
            {},
            [("connectionString", "has an AWS key for MONGODB-AWS without its secret")],
        ),
        ({"query": "hunter2"}, {}, [("query", "it is not JSON")]),
        ({"query": "[]"}, {}, [("query", "it is not a JSON object")]),
        ({"dbName": ""}, {}, [("dbName", "missing required parameter")]),
        ({"collection": ""}, {}, [("collection", "missing required parameter")]),
        ({"queryValue": "x"}, {}, [("queryValue", '"x" is not a number')]),
        ({}, {"tls": "enable"}, [("tls", "no cert, key or ca given")]),
        ({}, {"tls": "enable", "cert": "C"}, [("key", "cert and key go together")]),
        ({}, {"tls": "enable", "key": "K"}, [("cert", "cert and key go together")]),
        ({}, {"tls": "on"}, [("tls", "is not one of enable, disable")]),
    ],
)
def test_a_mistake_is_told(
    metadata: dict[str, str], auth: dict[str, str], problems: list[tuple[str, str]]
) -> None:
    found = build({**BASE, **metadata}, auth)
    assert isinstance(found, tuple)
    assert [problem.path for problem in found] == [path for path, _ in problems]
    for problem, (_, words) in zip(found, problems, strict=True):
        assert words in problem.message
        assert "hunter2" not in problem.message


def test_the_metric_is_named_after_the_collection() -> None:
    scaler = build({**BASE, "collection": "orders.new", "queryValue": "2.5", "activationQueryValue": "1"})
    assert isinstance(scaler, Polled)
    assert scaler.metric_name() == "mongodb-orders-new"
    assert (scaler.metric_target(), scaler.activation_target()) == (2.5, 1)
