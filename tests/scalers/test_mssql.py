"""The SQL Server trigger: which server it names, what it asks, which mistakes it tells."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Polled, Scaler, Scope
from tidegate.kit.systems.mssql import MssqlServer
from tidegate.kit.systems.sql import NO_ROW, SqlQuery
from tidegate.testing.sheets import Sample

SAMPLES = {"mssql": Sample(answer=lambda _: "7", may_be_negative=True)}

BASE = {"host": "db", "port": "1434", "username": "u", "database": "shop", "query": "SELECT 1"}
BASE |= {"targetValue": "5"}
SERVER = MssqlServer("db", 1434, "u", "", "shop")


def build(
    metadata: dict[str, str],
    auth: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    **scope: Any,
) -> Scaler | tuple[Problem, ...]:
    kind = scalers.find("mssql")
    assert kind is not None
    trigger = Trigger(type="mssql", metadata=metadata)
    return reading.build(kind, trigger, Sources(metadata, env or {}, auth or {}), Scope("shop", **scope))


def asked(scaler: Any) -> SqlQuery:
    questions: list[SqlQuery] = []
    drive(scaler.measure(ASK, None), lambda question: questions.append(question) or 1)  # type: ignore[func-returns-value]
    (question,) = questions
    return question


@pytest.mark.parametrize(
    ("metadata", "auth", "env", "server"),
    [
        (BASE, {}, {}, SERVER),
        (BASE, {"password": "p"}, {}, MssqlServer("db", 1434, "u", "p", "shop")),
        ({**BASE, "passwordFromEnv": "PW"}, {}, {"PW": "e"}, MssqlServer("db", 1434, "u", "e", "shop")),
        ({**BASE, "password": "plain", "port": "0"}, {}, {}, MssqlServer("db", 1433, "u", "", "shop")),
        (BASE, {"host": "other"}, {}, MssqlServer("other", 1434, "u", "", "shop")),
        (BASE, {"connectionString": "sqlserver://x"}, {}, MssqlServer("x")),
        ({**BASE, "connectionStringFromEnv": "C"}, {}, {"C": "server=y"}, MssqlServer("y")),
    ],
)
def test_the_server_comes_from_the_string_or_the_parts(
    metadata: dict[str, str], auth: dict[str, str], env: dict[str, str], server: MssqlServer
) -> None:
    assert asked(build(metadata, auth, env)) == SqlQuery(server, "SELECT 1")


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "words"),
    [
        ({"host": ""}, {}, "host", "must provide either connectionstring or host"),
        ({"host": "", "connectionString": "server=x"}, {}, "host", "must provide either"),
        ({"port": "x"}, {}, "port", '"x" is not a number'),
        ({"port": "70000"}, {}, "port", "it is not a number from 1 to 65535"),
        ({}, {"connectionString": "hunter2"}, "connectionString", "a part that is not key=value"),
        ({"query": ""}, {}, "query", "missing required parameter"),
        ({"targetValue": ""}, {}, "targetValue", "missing required parameter"),
        ({"targetValue": "0"}, {}, "targetValue", "no targetValue given"),
        ({"query": "SELECT\0"}, {}, "query", "NUL"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str, words: str) -> None:
    found = build({**BASE, **metadata}, auth)
    assert isinstance(found, tuple)
    assert [problem.path for problem in found] == [path]
    assert words in found[0].message
    assert "hunter2" not in found[0].message


def test_no_row_is_zero_and_nothing_else_is() -> None:
    scaler: Any = build(BASE)
    assert drive(scaler.measure(ASK, None), lambda question: NO_ROW) == 0
    for answer in (None, True, "x"):
        with pytest.raises(Malformed):
            drive(scaler.measure(ASK, None), lambda question, answer=answer: answer)


def test_its_name_is_fixed_and_its_thresholds_are_its_own() -> None:
    scaler = build({**BASE, "targetValue": "0", "activationTargetValue": "1"}, is_metric_source=True)
    assert isinstance(scaler, Polled)
    assert scaler.metric_name() == "mssql"
    assert (scaler.metric_target(), scaler.activation_target()) == (0, 1)
