"""The three forms of connection strings for SQL Server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kit.systems.mssql import MssqlServer, parse_connection


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("sqlserver://db", {"host": "db"}),
        (
            "sqlserver://sa:Password%231@db:1434?database=shop",
            {"host": "db", "port": 1434, "user": "sa", "password": "Password#1", "database": "shop"},
        ),
        ("sqlserver://[::1]:5", {"host": "::1", "port": 5}),
        ("sqlserver://db:5/instance", {"host": "db", "port": 5}),
        ("sqlserver://db?encrypt=true", {"host": "db", "encryption": "on", "is_verified": True}),
        (
            "sqlserver://db?encrypt=true&TrustServerCertificate=true&app+name=x",
            {"host": "db", "encryption": "on"},
        ),
        ("sqlserver://db?encrypt=false", {"host": "db", "is_verified": True}),
        ("sqlserver://db?encrypt=disable", {"host": "db", "encryption": "off"}),
        (
            "sqlserver://db?encrypt=mandatory&hostNameInCertificate=x.shop",
            {"host": "db", "encryption": "on", "is_verified": True, "certificate_host": "x.shop"},
        ),
        (
            "Server=db;Port=1434;User Id=sa;Password=a=b;Database=shop;",
            {"host": "db", "port": 1434, "user": "sa", "password": "a=b", "database": "shop"},
        ),
        ("data source=tcp:db,1500; uid=u; pwd=p", {"host": "db", "port": 1500, "user": "u", "password": "p"}),
        ("Server=(local);Integrated Security=false", {"host": "localhost"}),
        (
            "server=db;ApplicationIntent=ReadOnly;database=d",
            {"host": "db", "database": "d", "is_read_only": True},
        ),
        (
            "odbc:Server=db;UID=u;PWD={a;b}}c};Database=d",
            {"host": "db", "user": "u", "password": "a;b}c", "database": "d"},
        ),
        ("odbc: server = db ; port=5", {"host": "db", "port": 5}),
    ],
)
def test_each_form_is_read(text: str, server: dict[str, Any]) -> None:
    assert parse_connection(text) == MssqlServer(**server)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", "a part that is not key=value"),
        ("sqlserver://sa:hunter2@db:x", "an address that is not host:port"),
        ("sqlserver://db?hunter2", "a parameter that is not name=value"),
        ("odbc:hunter2", "a part that is not key=value"),
        ("server=db;port=hunter2", "a port that is not a number"),
        ("server=db;port=70000", "a port that is not a number"),
        ("server=db\\hunter2", "names an instance: give its port instead"),
        ("server=db;encrypt=hunter2", "a value of encrypt that is not true or false"),
        ("server=db;encrypt=strict", "is strict, which comes later"),
        ("server=db;TrustServerCertificate=hunter2", "TrustServerCertificate that is not true or false"),
        (
            "server=db;fedauth=ActiveDirectoryDefault",
            "leave `fedauth` out and name the identity in podIdentity",
        ),
        ("server=db;Integrated Security=SSPI", "logs in with an identity"),
        ("server=db;certificate=/etc/hunter2", "`certificate`, which is not offered"),
    ],
)
def test_what_is_none_is_told_without_its_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_connection(text)
    assert "hunter2" not in str(caught.value)


@given(st.text(alphabet="serv=;{}:/@?&, \\1", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for one in (text, "odbc:" + text, "sqlserver://" + text):
        with suppress(ValueError):
            assert isinstance(parse_connection(one), MssqlServer)


def test_a_server_says_where_it_is_but_not_how_to_log_in() -> None:
    server = MssqlServer("db", 1, "sa", "hunter2", "shop")
    assert server.label() == "SQL Server db:1/shop"
    assert "hunter2" not in repr(server)
    assert MssqlServer("::1").label() == "SQL Server [::1]:1433"
