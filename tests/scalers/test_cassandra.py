"""The cassandra trigger's settings, what no row and NULL come to, and frames that no server should send.

Source: https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec (4.2.5.2, 6, 9)
"""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import pytest

from parts.http_trigger import SECRET, build
from tidegate.base.errors import Malformed
from tidegate.connections.cassandra import frames
from tidegate.kit.question import ASK, drive
from tidegate.kit.systems.cassandra import CassandraServer, is_select
from tidegate.kit.systems.sql import NO_ROW
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

SAMPLES = {"cassandra": Sample(may_be_negative=True)}

BASE = {
    "clusterIPAddress": "h:9042",
    "username": "u",
    "keyspace": "shop",
    "query": "SELECT a FROM b.c",
    "targetQueryValue": "5",
}
AUTH = {"password": SECRET}


def asked(metadata: dict[str, str], auth: dict[str, str] | None = None) -> Any:
    questions: list[Any] = []
    made = build("cassandra", {**BASE, **metadata}, {**AUTH, **(auth or {})})
    drive(made.measure(ASK, None), lambda question: questions.append(question) or 1)
    return questions[0]


@pytest.mark.parametrize(
    ("metadata", "place"),
    [
        ({}, ("h", 9042)),
        ({"port": "1"}, ("h", 9042)),
        ({"clusterIPAddress": "h", "port": "1"}, ("h", 1)),
        ({"clusterIPAddress": "::1", "port": "1"}, ("::1", 1)),
        ({"clusterIPAddress": "[::1]", "port": "1"}, ("::1", 1)),
    ],
)
def test_a_port_in_the_address_wins(metadata: dict[str, str], place: tuple[str, int]) -> None:
    server = asked(metadata).server
    assert (server.host, server.port) == place


def test_a_server_is_checked_where_there_is_a_ca() -> None:
    pair = {"tls": "enable", "cert": "c", "key": "k"}
    assert asked({}).server == CassandraServer("h", 9042, "u", SECRET)
    assert asked({}, pair).server.tls == Tls("", "c", "k", "", False)
    assert asked({}, {**pair, "ca": "a"}).server.tls == Tls("a", "c", "k", "", True)
    assert [asked({"protocolVersion": one}).server.version for one in ("3", "4", "5")] == [3, 4, 4]


@pytest.mark.parametrize(
    ("text", "code"), [("one", 1), ("LOCAL_QUORUM", 6), ("local_one", 10), ("Serial", 8)]
)
def test_a_consistency_is_read_in_any_case(text: str, code: int) -> None:
    assert asked({"consistency": text}).consistency == code


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("SELECT a FROM b", True),
        ("  \n select a from b;", True),
        ("-- a comment\n/* another */ // and\n SELECT a", True),
        ("DELETE FROM b", False),
        ("selected", False),
        ("BEGIN BATCH SELECT", False),
        ("", False),
    ],
)
def test_only_a_select_is_run(text: str, is_one: bool) -> None:
    assert is_select(text) is is_one


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({"clusterIPAddress": "h"}, {}, "port", "no port given"),
        ({"clusterIPAddress": "h:99999"}, {}, "port", "it is no port"),
        ({"clusterIPAddress": "https://h", "port": "1"}, {}, "clusterIPAddress", "it is no host"),
        ({"consistency": "most"}, {}, "consistency", "is not one of"),
        ({}, {"tls": "enable", "cert": "c"}, "key", "both cert and key are required"),
        ({}, {"tls": "yes"}, "tls", "is not one of"),
        ({"query": "TRUNCATE b"}, {}, "query", "it is no SELECT"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str, message: str) -> None:
    (problem,) = build("cassandra", {**BASE, **metadata}, {**AUTH, **auth})
    assert problem.path == path
    assert message in problem.message


def test_no_row_is_zero_and_null_is_a_failure() -> None:
    made = build("cassandra", BASE, AUTH)
    assert drive(made.measure(ASK, None), lambda _: NO_ROW) == 0
    assert drive(made.measure(ASK, None), lambda _: Decimal("2.5")) == 2.5
    for answer in (None, "7", True, Decimal("NaN"), Decimal("1e400")):
        with pytest.raises(Malformed):
            drive(made.measure(ASK, None), lambda _, answer=answer: answer)


def rows(kind: int, value: bytes | None, columns: int = 1) -> bytes:
    names = b"".join(struct.pack(">H", len(one)) + one for one in (b"k", b"t", b"c"))
    cell = struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return struct.pack(">iii", 2, 1, columns) + names + struct.pack(">Hi", kind, 1) + cell


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rows(0x02, b"\xff" * 8), -1),
        (rows(0x09, b"\0\0\0\7"), 7),
        (rows(0x0E, b"\1" + b"\0" * 8), 1 << 64),
        (rows(0x06, struct.pack(">i", 2) + b"\xff"), Decimal("-0.01")),
        (rows(0x09, None), None),
        (rows(0x09, b""), None),
        (rows(0x06, b""), None),
    ],
)
def test_a_value_is_read_by_its_type(body: bytes, value: Any) -> None:
    assert frames.first_value(body) == value


@pytest.mark.parametrize("cut", range(0, 36, 3))
def test_half_an_answer_is_none(cut: int) -> None:
    with pytest.raises((frames.Strange, frames.NoNumber)):
        frames.first_value(rows(0x02, b"\0" * 8)[:cut])


def test_the_metric_is_called_after_the_keyspace() -> None:
    assert build("cassandra", {**BASE, "keyspace": "a.b"}, AUTH).metric_name() == "cassandra-a-b"
