"""The PostgreSQL trigger: which server it names, what it asks, which mistakes it tells."""

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
from tidegate.kit.systems.postgresql import PostgresqlServer
from tidegate.kit.systems.sql import SqlQuery
from tidegate.testing.sheets import Sample

SAMPLES = {"postgresql": Sample(answer=lambda _: "7", may_be_negative=True)}

PARTS = {"host": "db", "port": "5432", "userName": "u", "dbName": "shop", "sslmode": "disable"}
BASE = {**PARTS, "query": "SELECT 1", "targetQueryValue": "5"}
SERVER = (("host", "db"), ("port", "5432"), ("user", "u"), ("dbname", "shop"), ("sslmode", "disable"))


def build(
    metadata: dict[str, str],
    auth: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    **scope: Any,
) -> Scaler | tuple[Problem, ...]:
    kind = scalers.find("postgresql")
    assert kind is not None
    trigger = Trigger(type="postgresql", metadata=metadata)
    return reading.build(kind, trigger, Sources(metadata, env or {}, auth or {}), Scope("shop", **scope))


def asked(scaler: Any) -> SqlQuery:
    questions: list[SqlQuery] = []
    drive(scaler.measure(ASK, None), lambda question: questions.append(question) or 1)  # type: ignore[func-returns-value]
    (question,) = questions
    return question


def without(*names: str) -> dict[str, str]:
    return {name: text for name, text in BASE.items() if name not in names}


@pytest.mark.parametrize(
    ("metadata", "auth", "env", "options"),
    [
        (BASE, {}, {}, SERVER),
        (BASE, {"password": "p"}, {}, (*SERVER, ("password", "p"))),
        ({**BASE, "passwordFromEnv": "PW"}, {}, {"PW": "e"}, (*SERVER, ("password", "e"))),
        ({**BASE, "passwordFromEnv": "PW"}, {"password": "p"}, {"PW": "e"}, (*SERVER, ("password", "p"))),
        (BASE, {"host": "other"}, {}, (("host", "other"), *SERVER[1:])),
        ({**BASE, "password": "plain"}, {}, {}, SERVER),
        (without(*PARTS), {"connection": "host=x user=y"}, {}, (("host", "x"), ("user", "y"))),
        (BASE, {"connection": "postgres://x/d"}, {}, (("host", "x"), ("dbname", "d"))),
        ({**without(*PARTS), "connectionFromEnv": "C"}, {}, {"C": "host=x"}, (("host", "x"),)),
    ],
)
def test_the_server_comes_from_the_string_or_the_parts(
    metadata: dict[str, str],
    auth: dict[str, str],
    env: dict[str, str],
    options: tuple[tuple[str, str], ...],
) -> None:
    assert asked(build(metadata, auth, env)) == SqlQuery(PostgresqlServer(options), "SELECT 1")


@pytest.mark.parametrize(
    ("metadata", "auth", "problems"),
    [
        (
            without(*PARTS),
            {},
            [(name, f"no {name} given") for name in ("host", "port", "userName", "dbName", "sslmode")],
        ),
        ({**without("host"), "connection": "host=x"}, {}, [("host", "no host given")]),
        ({**without("host"), "hostFromEnv": "H"}, {}, [("host", "no host given")]),
        ({**BASE, "sslmode": "on"}, {}, [("sslmode", '"on" is not one of disable, allow')]),
        ({**BASE, "port": "hunter2"}, {}, [("port", "it is no port, nor one for each host")]),
        ({**BASE, "port": "5432;5433"}, {}, [("port", "it is no port, nor one for each host")]),
        (BASE, {"connection": "hunter2"}, [("connection", "is neither a URI nor pairs of key=value")]),
        (without("targetQueryValue"), {}, [("targetQueryValue", "no targetQueryValue given")]),
        ({**BASE, "targetQueryValue": "0"}, {}, [("targetQueryValue", "no targetQueryValue given")]),
        ({**BASE, "targetQueryValue": "x"}, {}, [("targetQueryValue", '"x" is not a number')]),
        (without("query"), {}, [("query", "missing required parameter")]),
        ({**BASE, "query": "SELECT\0 1"}, {}, [("query", "it holds a NUL character")]),
    ],
)
def test_a_mistake_is_told(
    metadata: dict[str, str], auth: dict[str, str], problems: list[tuple[str, str]]
) -> None:
    found = build(metadata, auth)
    assert isinstance(found, tuple)
    assert [problem.path for problem in found] == [path for path, _ in problems]
    for problem, (_, words) in zip(found, problems, strict=True):
        assert words in problem.message
        assert "hunter2" not in problem.message


def test_a_formulas_source_needs_no_target() -> None:
    scaler = build(without("targetQueryValue"), is_metric_source=True)
    assert isinstance(scaler, Polled)
    assert scaler.metric_target() == 0


def test_its_name_is_fixed_and_its_thresholds_are_its_own() -> None:
    scaler = build({**BASE, "targetQueryValue": "2.5", "activationTargetQueryValue": "-1"})
    assert isinstance(scaler, Polled)
    assert scaler.metric_name() == "postgresql"
    assert (scaler.metric_target(), scaler.activation_target()) == (2.5, -1)
