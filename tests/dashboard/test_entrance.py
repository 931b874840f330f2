"""Who gets in, and under which names the dashboard answers."""

from __future__ import annotations

import pytest

from tidegate.dashboard.entrance import Entrance, cookie_name, is_own_host


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:7444", "localhost:7444", "LOCALHOST:1", "127.0.0.1", "localhost", "[::1]:80", "[::1]",
     "tidegate.localhost:7444"],
)  # fmt: skip
def test_names_of_the_loopback_are_its_own(host: str) -> None:
    assert is_own_host(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:7444", "127.0.0.1.evil.example:7444", "localhost.evil.example",
     "127.0.0.1:7444@evil.example", "evil.localhost:7444", "10.0.0.7:7444", "[::2]:80", "127.0.0.1:x",
     "[::1", "localhost:7444:80", "2130706433:7444", "127.1:7444"],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert not is_own_host(host)


def test_the_cookie_is_not_the_token_and_ends_with_it() -> None:
    token = "a token of some length"
    entrance = Entrance(lambda: token)
    kept = entrance.cookie()
    assert token not in kept
    assert (entrance.is_token(token), entrance.is_cookie(kept)) == (True, True)
    assert (entrance.is_token(kept), entrance.is_cookie(token), entrance.is_cookie("")) == (False,) * 3
    token = "another token, after a change"
    assert not entrance.is_cookie(kept)
    assert not entrance.is_cookie("\udcff\udcfe"), "bytes that are no text"


def test_nobody_gets_in_without_a_token_to_compare_with() -> None:
    entrance = Entrance(lambda: "")
    assert not entrance.is_token("")
    assert not entrance.is_cookie(entrance.cookie())
    assert not Entrance(lambda: "x" * 16).is_token("é" * 16)


def test_two_dashboards_on_one_host_have_cookies_of_their_own() -> None:
    names = [cookie_name(one) for one in ("127.0.0.1:7444", "127.0.0.1:8083", "localhost", "[::1]:7444")]
    assert names == ["tidegate-dashboard-7444", "tidegate-dashboard-8083", "tidegate-dashboard",
                     "tidegate-dashboard-7444"]  # fmt: skip
