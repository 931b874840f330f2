"""MongoDB's URIs and filters."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kit.systems.mongodb import DEEPEST, MongodbServer, check_uri, read_filter, with_hosts


@pytest.mark.parametrize(
    ("uri", "label"),
    [
        ("mongodb://db", "MongoDB db"),
        ("mongodb://u:hunter2@a:1,b:2/shop?replicaSet=rs", "MongoDB a:1, b:2"),
        ("mongodb+srv://u:hunter2@cluster.example.com/", "MongoDB cluster.example.com"),
        ("mongodb://u:hunter2@[::1]:5/?authMechanism=scram-sha-256&a=b", "MongoDB [::1]:5"),
        ("mongodb://%2Frun%2Fmongo.sock/d", "MongoDB %2Frun%2Fmongo.sock"),
    ],
)
def test_a_uri_says_where_but_not_how_to_log_in(uri: str, label: str) -> None:
    check_uri(uri)
    assert MongodbServer(uri).label() == label
    assert "hunter2" not in repr(MongodbServer(uri))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("hunter2", "begins neither with"),
        ("http://u:hunter2@db", "begins neither with"),
        ("mongodb://", "not a URI with a host"),
        ("mongodb://u:hunter2@/db", "not a URI with a host"),
        ("mongodb://u:hunt/er2@db:1/x", "not a URI with a host"),
        ("mongodb://db/?hunter2", "an option that is not name=value"),
        ("mongodb://db/?a=b&authmechanism=MONGODB%2DOIDC", "an authMechanism other than"),
        ("mongodb://db/?authMechanism=GSSAPI", "an authMechanism other than"),
    ],
)
def test_what_is_no_uri_is_told_without_its_words(uri: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        check_uri(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "other"),
    [
        ("mongodb://u:p@db:1/x?y=z", "mongodb://u:p@10.0.0.1:1/x?y=z"),
        ("mongodb://db,Other:2,db:3", "mongodb://10.0.0.1,[fe80::1]:2,10.0.0.1:3"),
        ("mongodb://[::1]:5/db", "mongodb://[::1]:5/db"),
    ],
)
def test_hosts_are_replaced_and_nothing_else(uri: str, other: str) -> None:
    assert with_hosts(uri, {"db": "10.0.0.1", "other": "fe80::1"}) == other


def test_a_filter_keeps_the_order_of_its_keys() -> None:
    assert list(read_filter('{"b": 1, "a": {"$gt": 2}}')) == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", r"is not JSON \(column 1\)"),
        ('{"a": hunter2}', "is not JSON"),
        ("[]", "is not a JSON object"),
        ("7", "is not a JSON object"),
        ('{"a":' * (DEEPEST + 1), "nests deeper than 64"),
        ("[" * 100_000, "nests deeper than 64"),
        ("9" * 10_000, "is not JSON"),
    ],
)
def test_what_is_no_filter_is_told_without_its_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        read_filter(text)
    assert "hunter2" not in str(caught.value)


@given(st.text(alphabet="ab:@/,?=[]%.", max_size=40))
def test_any_uri_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        check_uri("mongodb://" + text)
        assert MongodbServer("mongodb://" + text).label() != "MongoDB"
