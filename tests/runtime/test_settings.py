"""A program's own settings: what counts, and what is said of what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.runtime.settings import (
    BOOLEAN,
    DURATION,
    LISTEN,
    NAMES,
    NETWORK,
    POSITIVE_DURATION,
    SELECTOR,
    TEXT,
    Given,
    Kind,
    Listen,
    Setting,
    own,
    read,
    whole,
)


@dataclass(frozen=True)
class Program:
    """A program as small as can be."""

    leads: bool = own(BOOLEAN, "false", flag="--leader-elect", variable="LEADS")
    lease_s: float = own(DURATION, "15s", variable="LEASE")
    folders: tuple[str, ...] = own(TEXT, "/a", flag="--ca-dir", variable="CA", is_repeated=True)


OLD = Setting(TEXT, "", flag="--old", variable="OLD", fate="ignored", difference="nobody needs it")


def told(flags: Mapping[str, Sequence[str]], environment: Mapping[str, str], *rest: str) -> Any:
    return read(Program, (OLD,), Given(flags, environment, rest))


def test_what_is_not_given_has_its_default() -> None:
    assert told({}, {}) == (Program(leads=False, lease_s=15.0, folders=("/a",)), ())


def test_a_flag_counts_before_its_variable() -> None:
    settings, _ = told({"--leader-elect": ["true"]}, {"LEADS": "false"})
    assert settings.leads


def test_of_a_flag_given_twice_the_last_counts() -> None:
    assert not told({"--leader-elect": ["true", "false"]}, {})[0].leads


def test_a_repeated_flag_is_taken_as_often_as_it_is_given() -> None:
    assert told({"--ca-dir": ["/b", "/c"]}, {"CA": "/d"})[0].folders == ("/b", "/c")


def test_the_variable_of_a_repeated_flag_is_a_list() -> None:
    assert told({}, {"CA": "/b, /c"})[0].folders == ("/b", "/c")


def test_an_empty_variable_counts_as_unset() -> None:
    assert told({}, {"LEASE": ""})[0].lease_s == 15.0


def test_what_has_no_effect_is_told_when_it_is_given() -> None:
    assert told({"--old": ["1"]}, {})[1] == ("--old has no effect: nobody needs it",)
    assert told({}, {"OLD": "1"})[1] == ("OLD has no effect: nobody needs it",)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        told({"--leader-elect": ["yes"]}, {"LEASE": "15"}, "--leder-elect=true", "stray")
    assert [str(one) for one in raised.value.exceptions] == [
        'cannot use --leder-elect=true: there is no such flag; did you mean "--leader-elect"?; see --help',
        "cannot use stray: nothing is expected there; see --help",
        'cannot use --leader-elect: "yes" is not it; give true or false',
        'cannot use LEASE: "15" has no unit; give a duration such as 300ms or 1m30s',
    ]
    assert all(isinstance(one, Misconfigured) for one in raised.value.exceptions)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (BOOLEAN, "T", True),
        (BOOLEAN, "0", False),
        (DURATION, "1m30s", 90.0),
        (DURATION, "0", 0.0),
        (NAMES, " a, b,,a ", ("a", "b")),
        (NAMES, '""', ()),
        (LISTEN, ":8080", Listen("", 8080)),
        (LISTEN, "[::1]:80", Listen("::1", 80)),
        (LISTEN, "0", Listen("", None)),
        (SELECTOR, "team in (a,b),!old", "team in (a,b),!old"),
        (NETWORK, "10.0.0.0/8", "10.0.0.0/8"),
        (whole(1), "12", 12),
    ],
)
def test_a_value_is_read_as_kubernetes_programs_read_it(kind: Kind, text: str, value: Any) -> None:
    assert kind.read(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (BOOLEAN, "yes"),
        (DURATION, "15"),
        (DURATION, "soon"),
        (POSITIVE_DURATION, "0s"),
        (LISTEN, "8080"),
        (LISTEN, ":99999"),
        (SELECTOR, "team in a"),
        (NETWORK, "cluster.local"),
        (whole(1), "0"),
        (whole(1), "1.5"),
    ],
)
def test_what_is_none_is_refused(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (its text may be empty)
        kind.read(text)
