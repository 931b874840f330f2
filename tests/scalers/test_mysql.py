"""The MySQL trigger: which server it names, what it asks, which mistakes it tells."""

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
from tidegate.kit.systems.mysql import MysqlServer
from tidegate.kit.systems.sql import SqlQuery
from tidegate.testing.sheets import Sample

SAMPLES = {"mysql": Sample(answer=lambda _: "7", may_be_negative=True)}

BASE = {
    "host": "db",
    "port": "3307",
    "username": "u",
    "dbName": "shop",
    "query": "SELECT 1",
    "queryValue": "5",
}
SERVER = MysqlServer("db", 3307, "", "u", "", "shop")


def build(
    metadata: dict[str, str], auth: dict[str, str] | None = None, env: dict[str, str] | None = None
) -> Scaler | tuple[Problem, ...]:
    kind = scalers.find("mysql")
    assert kind is not None
    trigger = Trigger(type="mysql", metadata=metadata)
    return reading.build(kind, trigger, Sources(metadata, env or {}, auth or {}), Scope("shop"))


def asked(scaler: Any) -> SqlQuery:
    questions: list[SqlQuery] = []
    drive(scaler.measure(ASK, None), lambda question: questions.append(question) or 1)  # type: ignore[func-returns-value]
    (question,) = questions
    return question


@pytest.mark.parametrize(
    ("metadata", "auth", "env", "server"),
    [
        (BASE, {}, {}, SERVER),
        (BASE, {"password": "p"}, {}, MysqlServer("db", 3307, "", "u", "p", "shop")),
        (
            {**BASE, "passwordFromEnv": "PW"},
            {},
            {"PW": "e"},
            MysqlServer("db", 3307, "", "u", "e", "shop"),
        ),
        ({**BASE, "password": "plain", "port": ""}, {}, {}, MysqlServer("db", 3306, "", "u", "", "shop")),
        ({**BASE, "host": "::1"}, {}, {}, MysqlServer("::1", 3307, "", "u", "", "shop")),
        ({**BASE, "host": ""}, {"host": "a"}, {}, MysqlServer("a", 3307, "", "u", "", "shop")),
        (BASE, {"connectionString": "tcp(x)/d"}, {}, MysqlServer("x", database="d")),
        ({**BASE, "connectionStringFromEnv": "C"}, {}, {"C": "tcp(y)/d"}, MysqlServer("y", database="d")),
        (
            {"query": "SELECT 1", "queryValue": "5", "usernameFromEnv": "U", "host": "db"},
            {},
            {"U": "e"},
            MysqlServer("db", 3306, "", "e"),
        ),
    ],
)
def test_the_server_comes_from_the_string_or_the_parts(
    metadata: dict[str, str], auth: dict[str, str], env: dict[str, str], server: MysqlServer
) -> None:
    assert asked(build(metadata, auth, env)) == SqlQuery(server, "SELECT 1")


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "words"),
    [
        ({"host": ""}, {}, "host", "no host given"),
        ({"host": "", "hostFromEnv": "H"}, {}, "host", "no host given"),
        ({"port": "x"}, {}, "port", "it is no port"),
        ({"host": "d b"}, {}, "host", "it has an address that is not host:port"),
        ({}, {"connectionString": "hunter2"}, "connectionString", "has no slash"),
        ({"query": ""}, {}, "query", "missing required parameter"),
        ({"queryValue": ""}, {}, "queryValue", "missing required parameter"),
        ({"queryValue": "ten"}, {}, "queryValue", '"ten" is not a number'),
        ({"query": "SELECT\0"}, {}, "query", "NUL"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str, words: str) -> None:
    found = build({**BASE, **metadata}, auth)
    assert isinstance(found, tuple)
    assert [problem.path for problem in found] == [path]
    assert words in found[0].message
    assert "hunter2" not in found[0].message


@pytest.mark.parametrize(
    ("auth", "name"),
    [
        ({}, "mysql-shop"),
        ({"connectionString": "u:p@tcp(db:1)/d"}, "mysql-d"),
        ({"connectionString": "u:p@tcp(db:1)/d?tls=true"}, "mysql-d?tls=true"),
        ({"connectionString": "u:p@tcp(db:1)/d?loc=Asia%2FTokyo"}, "mysql-d?loc=Asia-2FTokyo"),
    ],
)
def test_the_metric_is_named_after_the_database(auth: dict[str, str], name: str) -> None:
    scaler = build({**BASE, "metricName": "mine"}, auth)
    assert isinstance(scaler, Polled)
    assert scaler.metric_name() == name


def test_its_thresholds_are_its_own() -> None:
    scaler = build({**BASE, "queryValue": "2.5", "activationQueryValue": "1"})
    assert isinstance(scaler, Polled)
    assert (scaler.metric_target(), scaler.activation_target()) == (2.5, 1)
