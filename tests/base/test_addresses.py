"""Addresses as users write them."""

from __future__ import annotations

import pytest

from tidegate.base.addresses import is_address, split_address, with_port


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("redis:6379", ("redis", 6379)),
        ("[::1]:1", ("::1", 1)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "redis",
        ":6379",
        "redis:",
        "redis:0",
        "redis:65536",
        "redis:٦",
        "::1:6379",
        "redis://h:1",
        "u@h:1",
        "a b:1",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"is not|needs brackets"):
        split_address(address)
    assert not is_address(address)


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("jobs", "jobs:11300"),
        ("jobs:1", "jobs:1"),
        ("10.0.0.1", "10.0.0.1:11300"),
        ("fe80::1", "[fe80::1]:11300"),
        ("[fe80::1]", "[fe80::1]:11300"),
        ("[fe80::1]:1", "[fe80::1]:1"),
    ],
)
def test_a_port_is_added_where_none_is_named(address: str, whole: str) -> None:
    assert with_port(address, 11300) == whole
    assert is_address(whole)


@pytest.mark.parametrize("address", ["", "a:x", "a:0", "a/b", "u@h", "a b"])
def test_what_is_no_address_stays_none_with_a_port(address: str) -> None:
    assert not is_address(with_port(address, 11300))
