"""The etcd trigger: whom it asks, what it takes for a number, which mistakes it tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.etcd import EtcdServer, EtcdValue
from tidegate.kit.tls import Tls
from tidegate.scalers.etcd import EtcdKey
from tidegate.testing.sheets import Sample

SAMPLES = {"etcd": Sample(lambda _: b"7")}
BASE = {"endpoints": "e1:2379", "watchKey": "/a/b", "value": "5"}
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def build(auth: dict[str, str] | None = None, **metadata: str) -> Any:
    texts = {**BASE, **metadata}
    env = {"USER": "from-env", "PASSWORD": "hunter2"}
    trigger = Trigger(type="etcd", metadata=texts)
    return reading.build(EtcdKey, trigger, Sources(texts, env, auth or {}), Scope("shop"))


@pytest.mark.parametrize(
    ("held", "value"),
    [
        (b"7", 7),
        (b"-7", -7),
        (b"+7", 7),
        (b"007", 7),
        (b"1.5", 1.5),
        (b".5", 0.5),
        (b"5.", 5),
        (b"1e3", 1000),
        (b"0x10p1", 32),
        (b"0", 0),
    ],
)
def test_what_go_reads_as_a_number_is_one(held: bytes, value: float) -> None:
    answers = {EtcdValue(EtcdServer(("http://e1:2379",)), "/a/b"): held}
    assert drive(build().measure(ASK, NOW), answers.__getitem__) == value


@pytest.mark.parametrize(
    "held",
    [b"", b" 7", b"7\n", b"seven", b"nan", b"inf", b"1e999", b"0x1p9999", b"1_0", b"0x1", b"\xff"],
)  # fmt: skip
def test_what_is_no_finite_number_is_an_error_that_does_not_repeat_it(held: bytes) -> None:
    with pytest.raises(Malformed, match="read the key /a/b") as caught:
        drive(build().measure(ASK, NOW), lambda _: held)
    assert "seven" not in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "auth", "server"),
    [
        ({}, {}, EtcdServer(("http://e1:2379",))),
        ({"endpoints": "e1:1, e2:2"}, {}, EtcdServer(("http://e1:1", "http://e2:2"))),
        ({"endpoints": "http://e1:1/"}, {"tls": "enable"}, EtcdServer(("http://e1:1",))),
        ({"endpoints": "https://e1:1"}, {}, EtcdServer(("https://e1:1",), tls=Tls())),
        ({}, {"tls": "enable"}, EtcdServer(("https://e1:2379",), tls=Tls())),
        (
            {},
            {"tls": "enable", "ca": "CA", "cert": "C", "key": "K", "keyPassword": "P"},
            EtcdServer(("https://e1:2379",), tls=Tls("CA", "C", "K", "P")),
        ),
        ({}, {"cert": "C"}, EtcdServer(("http://e1:2379",))),
        ({}, {"username": "u", "password": "p"}, EtcdServer(("http://e1:2379",), "u", "p")),
        ({"username": "u", "password": "p"}, {}, EtcdServer(("http://e1:2379",))),
        (
            {"usernameFromEnv": "USER", "passwordFromEnv": "PASSWORD"},
            {},
            EtcdServer(("http://e1:2379",), "from-env", "hunter2"),
        ),
    ],
)
def test_whom_it_asks(metadata: dict[str, str], auth: dict[str, str], server: EtcdServer) -> None:
    assert build(auth, **metadata).server() == server


@pytest.mark.parametrize(
    ("metadata", "auth", "paths", "message"),
    [
        ({"endpoints": ""}, {}, ["endpoints"], "missing required parameter"),
        ({"watchKey": "", "value": ""}, {}, ["watchKey", "value"], "missing required parameter"),
        ({"endpoints": "e1,e2:2"}, {}, ["endpoints"], '"e1" is neither'),
        ({"endpoints": "ftp://e1:2"}, {}, ["endpoints"], "is neither"),
        ({"endpoints": "http://u:hunter2@e1:2"}, {}, ["endpoints"], "endpoint 1 is neither"),
        ({"watchProgressNotifyInterval": "0"}, {}, ["watchProgressNotifyInterval"], "must be greater than 0"),
        ({}, {"tls": "on"}, ["tls"], "is not one of enable, disable"),
        ({}, {"tls": "enable", "cert": "C"}, ["key"], "key must be provided with cert"),
        ({}, {"tls": "enable", "key": "hunter2"}, ["cert"], "cert must be provided with key"),
        ({}, {"username": "u"}, ["password"], "password must be provided with username"),
        ({}, {"password": "hunter2"}, ["username"], "username must be provided with password"),
        ({"value": "x"}, {}, ["value"], "is not a number"),
    ],
)
def test_a_mistake_is_told(
    metadata: dict[str, str], auth: dict[str, str], paths: list[str], message: str
) -> None:
    problems = build(auth, **metadata)
    assert isinstance(problems, tuple), problems
    assert [problem.path for problem in problems] == paths
    assert message in problems[0].message
    assert "hunter2" not in problems[0].message


def test_names_and_numbers_are_kedas() -> None:
    scaler = build(value="2.5", activationValue="1.5")
    assert scaler.metric_name() == "etcd--a-b"
    assert (scaler.metric_target(), scaler.activation_target()) == (2.5, 1.5)
