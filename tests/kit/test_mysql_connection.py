"""The connection strings of Go's MySQL driver."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kit.systems.mysql import MysqlServer, parse_connection


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("/", {"host": "127.0.0.1"}),
        ("/shop", {"host": "127.0.0.1", "database": "shop"}),
        ("u@/shop", {"host": "127.0.0.1", "user": "u", "database": "shop"}),
        (
            "user:pw@tcp(mysql:3307)/stats_db",
            {"host": "mysql", "port": 3307, "user": "user", "password": "pw", "database": "stats_db"},
        ),
        ("u:p@w:/x@tcp(db)/d", {"host": "db", "user": "u", "password": "p@w:/x", "database": "d"}),
        ("tcp([fe80::1]:1)/", {"host": "fe80::1", "port": 1}),
        ("u@unix(/run/my.sock)/d", {"socket": "/run/my.sock", "user": "u", "database": "d"}),
        ("unix/", {"socket": "/tmp/mysql.sock"}),
        ("tcp(db)/a%2Fb", {"host": "db", "database": "a/b"}),
        ("tcp(db)/d?tls=true", {"host": "db", "database": "d", "tls": "verified"}),
        ("tcp(db)/d?tls=skip-verify", {"host": "db", "database": "d", "tls": "unverified"}),
        ("tcp(db)/d?tls=preferred", {"host": "db", "database": "d", "tls": "preferred"}),
        ("tcp(db)/d?tls=false", {"host": "db", "database": "d"}),
        (
            "tcp(db)/d?timeout=2s&readTimeout=1m30s&charset=utf8mb4,utf8&multiStatements=true",
            {"host": "db", "database": "d", "dial_limit_s": 2, "read_limit_s": 90, "is_multiple": True},
        ),
        ("tcp(db)/d?readTimeout=0s&parseTime=true&loc=Local", {"host": "db", "database": "d"}),
        (
            "tcp(db)/d?sql_mode=%27ANSI%27&allowCleartextPasswords=1",
            {"host": "db", "database": "d", "settings": (("sql_mode", "'ANSI'"),), "is_cleartext": True},
        ),
    ],
)
def test_a_connection_string_is_read(text: str, server: dict[str, Any]) -> None:
    assert parse_connection(text) == MysqlServer(**server)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("u:hunter2@tcp(db)", "has no slash before the database's name"),
        ("u:hunter2@tcp(db/d", "its bracket does not close"),
        ("tcp(db)/d?loc=Asia/Tokyo", "a slash in a parameter is written %2F"),
        ("u:hunter2@tcp(db:x)/d", "has an address that is not host:port"),
        ("u:hunter2@tcp(db:70000)/d", "has an address that is not host:port"),
        ("u:hunter2@udp(db)/d", "has a network other than tcp and unix"),
        ("tcp(db)/d?hunter2", "has a parameter that is not name=value"),
        ("tcp(db)/d?a;b=hunter2", "has a parameter that is not name=value"),
        ("tcp(db)/d?tls=hunter2", "named ones cannot be registered"),
        ("tcp(db)/d?timeout=hunter2", "has a timeout that is not"),
        ("tcp(db)/d?multiStatements=hunter2", "has a multiStatements that is not true or false"),
    ],
)
def test_what_is_no_connection_string_is_told_without_its_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_connection(text)
    assert "hunter2" not in str(caught.value)


@given(st.text(alphabet="ab:@/()?&=%[]1. ", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(parse_connection(text), MysqlServer)


def test_a_server_says_where_it_is_but_not_how_to_log_in() -> None:
    server = parse_connection("u:hunter2@tcp(db:1)/shop?secret=hunter2")
    assert server.label() == "MySQL db:1/shop"
    assert "hunter2" not in repr(server)
    assert MysqlServer("::1").label() == "MySQL [::1]:3306"
    assert MysqlServer(socket="/run/s").label() == "MySQL /run/s"
