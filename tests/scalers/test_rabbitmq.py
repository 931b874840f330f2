"""The RabbitMQ trigger: which broker it names, what it asks, which mistakes it tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.rabbitmq import AmqpServer, QueueDepth
from tidegate.kit.tls import Tls
from tidegate.scalers.rabbitmq import RabbitmqQueue

SECRET = "hunter2"
BASE = {"queueName": "jobs"}


def build(
    metadata: dict[str, str], auth: dict[str, str] | None = None, env: dict[str, str] | None = None
) -> Any:
    found = scalers.find("rabbitmq")
    assert found is not None
    metadata = {**BASE, **metadata}
    trigger = Trigger(type="rabbitmq", metadata=metadata)
    return reading.build(found, trigger, Sources(metadata, env or {}, auth or {}), Scope("shop"))


def scaler(metadata: dict[str, str], auth: dict[str, str] | None = None, **env: str) -> RabbitmqQueue:
    made = build(metadata, auth, env)
    assert isinstance(made, RabbitmqQueue), made
    return made


def problems(metadata: dict[str, str], auth: dict[str, str] | None = None) -> dict[str, str]:
    made = build(metadata, auth)
    assert isinstance(made, tuple), made
    return {problem.path: problem.message for problem in made}


def asked(made: RabbitmqQueue) -> Any:
    questions: list[Any] = []
    drive(made.measure(ASK, datetime.now(UTC)), lambda question: questions.append(question) or 1)
    (question,) = questions
    return question


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("amqp://h", AmqpServer("h", 5672)),
        ("amqp://h/", AmqpServer("h", 5672)),
        ("amqp://h:1234/media", AmqpServer("h", 1234, "media")),
        ("amqp://h/%2Fmedia", AmqpServer("h", 5672, "/media")),
        ("amqp://h//media", AmqpServer("h", 5672, "/media")),
        ("amqp://h/%2F", AmqpServer("h", 5672, "/")),
        ("amqp://h/a%20b", AmqpServer("h", 5672, "a b")),
        ("amqp://u:p%40%2F@h/v", AmqpServer("h", 5672, "v", "u", "p@/")),
        ("amqp://u@h", AmqpServer("h", 5672, "/", "u", "guest")),
        ("amqp://[::1]:1234", AmqpServer("::1", 1234)),
        ("AMQP://H", AmqpServer("h", 5672)),
        ("amqps://h", AmqpServer("h", 5671, tls=Tls())),
        ("rabbitmq.default.svc.cluster.local:5672", AmqpServer("rabbitmq.default.svc.cluster.local", 5672)),
        ("u:p@h:1/v", AmqpServer("h", 1, "v", "u", "p")),
        ("h", AmqpServer("h", 5672)),
    ],
)
def test_the_host_names_server_virtual_host_and_login(host: str, expected: AmqpServer) -> None:
    assert asked(scaler({"host": host})) == QueueDepth(expected, "jobs")
    assert asked(scaler({}, {"host": host})).server == expected
    assert asked(scaler({"hostFromEnv": "BROKER"}, BROKER=host)).server == expected


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("amqp://h/a b", "blanks"),
        ("amqp://u:hunter2#x@h/v", "is not scheme://"),
        ("amqp://u:hunter2/x@h/v", "is not scheme://"),
        ("amqp://h:port", "is not scheme://"),
        ("amqp://h:0", "is not scheme://"),
        ("amqp://h:70000", "is not scheme://"),
        ("amqp:///v", "names no server"),
        ("amqp://[::1", "is not scheme://"),
        ("redis://h", "unknown host URL scheme: redis"),
    ],
)
def test_a_host_that_cannot_be_read_is_told_without_its_password(host: str, text: str) -> None:
    told = problems({"host": host})["host"]
    assert text in told
    assert SECRET not in told


def test_what_the_authentication_says_comes_before_what_the_host_says() -> None:
    auth = {"username": "a", "password": "b", "vhostName": "/c"}
    assert asked(scaler({"host": "amqp://u:p@h/v"}, auth)).server == AmqpServer("h", 5672, "/c", "a", "b")
    made = scaler(
        {"host": "amqp://h", "usernameFromEnv": "USER", "passwordFromEnv": "PASS"}, USER="e", PASS="f"
    )
    assert asked(made).server == AmqpServer("h", 5672, "/", "e", "f")


CERT = {"tls": "enable", "ca": "CA", "cert": "CERT", "key": "KEY", "keyPassword": "PW"}


@pytest.mark.parametrize(
    ("host", "metadata", "auth", "tls", "is_external"),
    [
        ("amqps://h", {}, {}, Tls(), False),
        ("amqps://h", {"unsafeSsl": "true"}, {}, Tls(is_verified=False), False),
        ("amqps://h", {}, {"ca": "CA"}, Tls(), False),
        ("amqps://h", {}, CERT, Tls("CA", "CERT", "KEY", "PW"), True),
        ("amqps://u@h", {}, CERT, Tls("CA", "CERT", "KEY", "PW"), True),
        ("amqps://u:p@h", {}, CERT, Tls("CA", "CERT", "KEY", "PW"), False),
        ("amqps://h", {}, {**CERT, "username": "u", "password": "p"}, Tls("CA", "CERT", "KEY", "PW"), False),
        ("h", {}, CERT, Tls("CA", "CERT", "KEY", "PW"), True),
        ("amqp://h", {}, CERT, None, False),
    ],
)
def test_tls_goes_by_the_scheme_and_a_certificate_alone_logs_in(
    host: str, metadata: dict[str, str], auth: dict[str, str], tls: Tls | None, is_external: bool
) -> None:
    server = asked(scaler({"host": host, **metadata}, auth)).server
    assert (server.tls, server.is_external) == (tls, is_external)


@pytest.mark.parametrize(
    ("metadata", "auth", "told"),
    [
        ({"host": "h:1"}, {}, {"host": "host has no scheme: amqp:// is assumed; write it in front"}),
        ({"host": "amqp://h?heartbeat=1"}, {}, {"host": "what follows the ? in host is not used"}),
        ({"host": "amqp://h"}, CERT, {"tls": "nothing is encrypted: the scheme of host is amqp, not amqps"}),
        (
            {"host": "amqp://h", "timeout": "1s"},
            {},
            {"timeout": "timeout has an effect with protocol http alone"},
        ),
        ({"host": "amqp://h"}, {}, {}),
    ],
)
def test_what_works_but_does_less_than_it_says_is_told(
    metadata: dict[str, str], auth: dict[str, str], told: dict[str, str]
) -> None:
    assert {one.path: one.message for one in scaler(metadata, auth).notices()} == told


@pytest.mark.parametrize(
    ("metadata", "target"),
    [
        ({}, 20),
        ({"mode": "QueueLength", "value": "5"}, 5),
        ({"mode": "QueueLength", "value": "0.5"}, 0.5),
        ({"queueLength": "10"}, 10),
    ],
)
def test_the_target_is_mode_and_value_or_queue_length_or_twenty(
    metadata: dict[str, str], target: float
) -> None:
    assert scaler({"host": "amqp://h", **metadata}).metric_target() == target


@pytest.mark.parametrize(
    ("metadata", "path", "text"),
    [
        ({"queueLength": "1", "value": "1"}, "queueLength", "queueLength is deprecated; use mode and value"),
        ({"queueLength": "1", "mode": "QueueLength"}, "queueLength", "queueLength is deprecated"),
        ({"value": "1"}, "mode", "mode must be specified"),
        ({"mode": "QueueLength"}, "value", "value must be specified"),
        ({"mode": "QueueLength", "value": "0"}, "value", "value must be specified"),
        ({"mode": "queueLength", "value": "1"}, "mode", "is not one of QueueLength"),
        ({"protocol": "tcp"}, "protocol", "is not one of auto, http, amqp"),
        ({"host": "http://h", "protocol": "amqp"}, "host", "does not go with protocol amqp"),
        ({"host": "http://h"}, "host", "the management API is not asked by this version"),
    ],
)
def test_mistakes_are_told_by_their_setting(metadata: dict[str, str], path: str, text: str) -> None:
    assert text in problems({"host": "amqp://h", **metadata})[path]


@pytest.mark.parametrize(
    ("auth", "path", "text"),
    [
        ({"username": "u"}, "username", "must be given together"),
        ({"password": SECRET}, "username", "must be given together"),
        ({"tls": "on"}, "tls", "is not one of enable, disable"),
        ({"cert": "C"}, "cert", "both key and certificate must be provided"),
        ({"key": SECRET}, "cert", "both key and certificate must be provided"),
    ],
)
def test_half_a_login_and_half_a_certificate_are_told(auth: dict[str, str], path: str, text: str) -> None:
    told = problems({"host": "amqp://h"}, auth)
    assert text in told[path]
    assert SECRET not in str(told)


def test_all_mistakes_are_told_at_once() -> None:
    told = problems({"host": "amqp://h:x", "value": "1"}, {"username": "u", "cert": "C"})
    assert set(told) == {"host", "mode", "username", "cert"}


def test_a_password_in_the_host_stays_in_the_question() -> None:
    made = scaler({"host": f"amqp://u:{SECRET}@h/v"})
    assert SECRET not in repr(made)
    assert SECRET not in repr(asked(made)) + asked(made).server.label()
    assert asked(made).server.password == SECRET


@pytest.mark.parametrize(
    ("queue", "name"),
    [
        ("jobs", "rabbitmq-jobs"),
        ("namespace/name", "rabbitmq-namespace-2Fname"),
        ("a b", "rabbitmq-a+b"),
        ("^a$", "rabbitmq--5Ea-24"),
    ],
)
def test_the_metric_is_named_after_the_queue(queue: str, name: str) -> None:
    assert scaler({"host": "amqp://h", "queueName": queue}).metric_name() == name


def test_who_differs_in_the_virtual_host_asks_another_server() -> None:
    one, other = (asked(scaler({"host": "amqp://h", "vhostName": name})).server for name in ("a", "b"))
    assert one != other
    assert (one.label(), other.label()) == ("RabbitMQ h:5672, vhost a", "RabbitMQ h:5672, vhost b")
