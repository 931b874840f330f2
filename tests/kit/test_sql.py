"""What a database answers, read as a number; and connection strings."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.errors import Malformed
from tidegate.kit.systems.postgresql import PostgresqlServer, parse_connection
from tidegate.kit.systems.sql import NO_ROW, SqlQuery, query_problems, sql_number

QUESTION = SqlQuery(PostgresqlServer((("host", "db"),)), "SELECT 'hunter2'")


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        (42, 42),
        (-1, -1),
        (2.5, 2.5),
        (Decimal("1.25"), 1.25),
        (Decimal("1e-400"), 0),
        ("42", 42),
        ("-4.2e1", -42),
        ("+.5", 0.5),
        ("007", 7),
    ],
)
def test_numbers_and_texts_that_are_numbers_are_read(answer: Any, number: float) -> None:
    assert sql_number(answer, QUESTION) == number


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (NO_ROW, "found no row"),
        (None, "gave NULL; use COALESCE"),
        (True, "a truth value where a number was expected"),
        ("hunter2", "a text of 7 characters"),
        ("", "a text of 0 characters"),
        (" 42", "a text of 3 characters"),
        ("4_2", "a text of 3 characters"),
        ("٤٢", "a text of 2 characters"),
        ("nan", "a text of 3 characters"),
        ("1" * 1001, "a text of 1001 characters"),
        (b"42", "a bytes"),
        (float("nan"), "no finite number"),
        (float("-inf"), "no finite number"),
        (Decimal("NaN"), "no finite number"),
        (Decimal("sNaN"), "no finite number"),
        (Decimal("1e400"), "no finite number"),
        ("1e400", "no finite number"),
        (10**400, "no finite number"),
    ],
)
def test_what_is_no_number_is_malformed_and_not_repeated(answer: Any, words: str) -> None:
    with pytest.raises(Malformed, match="run the query on PostgreSQL db:5432") as caught:
        sql_number(answer, QUESTION)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(QUESTION)


def test_a_query_with_a_nul_is_told() -> None:
    assert [problem.path for problem in query_problems("SELECT\0")] == ["query"]
    assert not list(query_problems("SELECT 1"))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("host=db port=1", {"host": "db", "port": "1"}),
        ("  host = db  user='a b' ", {"host": "db", "user": "a b"}),
        (r"password='it\'s \\ x' host=h\ i", {"password": r"it's \ x", "host": "h i"}),
        ("password='' host=db", {"password": "", "host": "db"}),
        ("search_path=shop a.b=c host=db", {"search_path": "shop", "a.b": "c", "host": "db"}),
        ("host=db default_query_exec_mode=exec statement_cache_capacity=1", {"host": "db"}),
        ("postgres://db", {"host": "db"}),
        ("postgresql://", {}),
        (
            "postgresql://u:p%40w@db:1/shop?sslmode=require&application_name=a%20b",
            {
                "user": "u",
                "password": "p@w",
                "host": "db",
                "port": "1",
                "dbname": "shop",
                "sslmode": "require",
                "application_name": "a b",
            },
        ),
        ("postgres://a:1,b:2/d", {"host": "a,b", "port": "1,2", "dbname": "d"}),
        ("postgres://a,b:2/d", {"host": "a,b", "port": ",2", "dbname": "d"}),
        ("postgres://u@[::1]:5/d", {"user": "u", "host": "::1", "port": "5", "dbname": "d"}),
        ("postgres://u@/d?host=/run/pg", {"user": "u", "dbname": "d", "host": "/run/pg"}),
        ("postgres://%2Frun%2Fpg/d?ssl=true", {"host": "/run/pg", "dbname": "d", "sslmode": "require"}),
    ],
)
def test_both_forms_of_a_connection_string_are_read(text: str, options: dict[str, str]) -> None:
    assert dict(parse_connection(text)) == options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", "is neither a URI nor pairs"),
        ("host=db hunter2", "is neither a URI nor pairs"),
        ("password='hunter2", "the quote of its option password does not end"),
        ("password='x'hunter2", "something follows the quoted option password"),
        ("postgres://u:p@h:hunter2/d", "an address in it is not host:port"),
        ("postgres://h/d?hunter2", "a parameter in it is not key=value"),
        ("host=db sslmode=hunter2", "its sslmode is not one of disable"),
        ("host=db sslkeylogfile=/tmp/hunter2", "the option sslkeylogfile is not offered"),
        ("postgres://h/d?replication=database", "the option replication is not offered"),
    ],
)
def test_what_is_no_connection_string_is_told_without_its_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_connection(text)
    assert "hunter2" not in str(caught.value)


@given(st.text(alphabet="abc='\\ :/@?&,[]%\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for one in (text, "postgres://" + text):
        with suppress(ValueError):
            assert all(isinstance(value, str) for pair in parse_connection(one) for value in pair)


@given(st.dictionaries(st.sampled_from(["host", "user", "password"]), st.text(min_size=1), min_size=1))
def test_what_is_quoted_comes_back(options: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    text = " ".join(f"{name}={quoted(value)}" for name, value in options.items())
    assert dict(parse_connection(text)) == options


def test_a_server_says_where_it_is_but_not_how_to_log_in() -> None:
    server = PostgresqlServer(parse_connection("host=a,b port=1,2 user=u password=hunter2 dbname=shop"))
    assert server.label() == "PostgreSQL a:1, b:2/shop"
    assert "hunter2" not in repr(server)
    assert PostgresqlServer(parse_connection("host=a user=u")).label() == "PostgreSQL a:5432/u"
    assert PostgresqlServer(()).label() == "PostgreSQL localhost:5432"
    assert PostgresqlServer(parse_connection("host=a,b port=7")).label() == "PostgreSQL a:7, b:7"
