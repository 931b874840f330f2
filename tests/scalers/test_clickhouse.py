"""The clickhouse trigger's settings, the strings of the Go driver, and what no row comes to.

Source: https://github.com/ClickHouse/clickhouse-go#dsn
"""

from __future__ import annotations

from typing import Any

import pytest

from parts.http_trigger import SECRET, build
from tidegate.kit.question import ASK, drive
from tidegate.kit.systems.clickhouse import ClickhouseServer, read_dsn
from tidegate.kit.systems.sql import NO_ROW
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

SAMPLES = {"clickhouse": Sample(may_be_negative=True)}

BASE = {"query": "SELECT 1", "targetQueryValue": "5"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("clickhouse://h", ClickhouseServer((("h", 9000),))),
        ("tcp://h:9440/shop", ClickhouseServer((("h", 9440),), database="shop")),
        ("clickhouse://u:p%40w@h:1", ClickhouseServer((("h", 1),), "u", "p@w")),
        ("clickhouse://u:p@ss@h:1", ClickhouseServer((("h", 1),), "u", "p@ss")),
        ("clickhouse://a:1,b:2/d", ClickhouseServer((("a", 1), ("b", 2)), database="d")),
        ("clickhouse://[::1]:9000/d", ClickhouseServer((("::1", 9000),), database="d")),
        ("clickhouse://h?username=u&password=p&database=d", ClickhouseServer((("h", 9000),), "u", "p", "d")),
        ("clickhouse://h?secure=true", ClickhouseServer((("h", 9000),), tls=Tls())),
        (
            "clickhouse://h?secure=1&skip_verify=1",
            ClickhouseServer((("h", 9000),), tls=Tls(is_verified=False)),
        ),
        ("clickhouse://h?dial_timeout=200ms", ClickhouseServer((("h", 9000),), dial_limit_s=0.2)),
        (
            "clickhouse://h?max_execution_time=60&compress=lz4&read_timeout=1s",
            ClickhouseServer((("h", 9000),), settings=(("max_execution_time", "60"),)),
        ),
        ("http://h/d", ClickhouseServer((("h", 8123),), database="d", web="http")),
        ("https://h:1/d", ClickhouseServer((("h", 1),), database="d", web="https", tls=Tls())),
        ("http://h?secure=true", ClickhouseServer((("h", 8123),), web="https", tls=Tls())),
    ],
)
def test_a_string_of_the_driver_is_read(text: str, wanted: ClickhouseServer) -> None:
    assert read_dsn(text, None) == wanted


def test_what_stands_beside_the_string_counts_too() -> None:
    assert read_dsn("clickhouse://h", Tls(ca="x")).tls == Tls(ca="x")
    assert read_dsn("clickhouse://h?skip_verify=true", Tls(ca="x")).tls == Tls(ca="x", is_verified=False)


@pytest.mark.parametrize(
    "text",
    ["h:9000", "mysql://hunter2@h", "clickhouse://", "clickhouse://h:hunter2", "clickhouse://h:0",
     "clickhouse://h?secure=hunter2", "clickhouse://h?dial_timeout=hunter2", "clickhouse://a,,b"],
)  # fmt: skip
def test_a_string_that_cannot_be_read_is_told_without_it(text: str) -> None:
    (problem,) = build("clickhouse", BASE, {"connectionString": text})
    assert problem.path == "connectionString"
    assert "hunter2" not in problem.message


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({}, {}, "host", "either connectionString or host must be set"),
        ({"host": "h", "port": "x"}, {}, "host", "has a port that is none"),
        ({"host": "h", "port": "70000"}, {}, "host", "has a port that is none"),
        ({"host": "http://h"}, {}, "host", "is no host"),
        ({"host": "h"}, {"tls": "true", "cert": "c"}, "key", "both cert and key must be provided"),
        ({"host": "h", "targetQueryValue": "0"}, {}, "targetQueryValue", "targetQueryValue is required when"),
        ({"host": "h", "query": "a\0b"}, {}, "query", "NUL"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str, message: str) -> None:
    (problem,) = build("clickhouse", {**BASE, **metadata}, auth)
    assert problem.path == path
    assert message in problem.message


def test_a_password_in_the_metadata_is_not_read() -> None:
    asked: list[Any] = []
    made = build("clickhouse", {**BASE, "host": "h", "password": SECRET, "tls": "true"})
    drive(made.measure(ASK, None), lambda question: asked.append(question) or 1)
    (question,) = asked
    assert question.server == ClickhouseServer((("h", 9000),))


def test_no_row_is_zero() -> None:
    made = build("clickhouse", {**BASE, "host": "h"})
    assert drive(made.measure(ASK, None), lambda _: NO_ROW) == 0


def test_the_metric_has_one_name() -> None:
    assert build("clickhouse", {**BASE, "host": "h"}).metric_name() == "clickhouse"
