"""The RabbitMQ trigger: which broker it names, what it asks, which mistakes it tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Measured, Scope
from tidegate.kit.systems.http import HttpLogin, HttpServer, OAuthClient, basic
from tidegate.kit.systems.rabbitmq import (
    AmqpServer,
    ManagementServer,
    MatchingQueues,
    QueueDepth,
    QueueState,
    QueueStats,
)
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

    def answer(question: Any) -> Any:
        questions.append(question)
        return {QueueDepth: 1, QueueState: QueueStats(1, 1), MatchingQueues: ()}[type(question)]

    drive(made.measure(ASK, datetime.now(UTC)), answer)
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
        ({"host": "amqp://h", "protocol": "http"}, "host", "does not go with protocol http"),
        ({"useRegex": "true"}, "useRegex", "useRegex is for protocol http alone"),
        ({"excludeUnacknowledged": "true"}, "excludeUnacknowledged", "is for protocol http alone"),
        ({"mode": "MessageRate", "value": "1"}, "mode", "mode is for protocol http alone"),
        ({"mode": "QueueLength", "value": "1", "timeout": "1s"}, "timeout", "is for protocol http alone"),
        ({"pageSize": "0"}, "pageSize", "pageSize should be 1 or greater"),
        (
            {"host": "http://h", "useRegex": "true", "operation": "min"},
            "operation",
            "operation must be one of sum, max, avg",
        ),
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


# --- the management API


def management(origin: str = "http://h:15672", prefix: str = "", **more: Any) -> ManagementServer:
    return ManagementServer(HttpServer(origin, name="RabbitMQ", **more), prefix)


@pytest.mark.parametrize(
    ("host", "prefix", "vhost"),
    [
        ("http://h:15672", "", "/"),
        ("http://h:15672/", "", "/"),
        ("http://h:15672/%2F", "", "/"),
        ("http://h:15672//", "", "/"),
        ("http://h:15672/media", "", "media"),
        ("http://h:15672/%2Fmedia", "", "/media"),
        ("http://h:15672/a%20b", "", "a b"),
        ("http://h:15672/sub/", "/sub", "/"),
        ("http://h:15672/sub/media", "/sub", "media"),
        ("http://h:15672/deep/sub//media", "/deep/sub", "media"),
        ("h:15672/media", "", "media"),
    ],
)
def test_over_http_the_last_segment_is_the_virtual_host(host: str, prefix: str, vhost: str) -> None:
    protocol = {} if "://" in host else {"protocol": "http"}
    expected = QueueState(management(prefix=prefix), vhost, "jobs")
    assert asked(scaler({"host": host, **protocol})) == expected
    named = asked(scaler({"host": host, "vhostName": "/named", **protocol}))
    assert named == QueueState(management(prefix=prefix), "/named", "jobs")


def test_logins_over_http() -> None:
    host = "http://u:p%40@h:15672"
    assert asked(scaler({"host": host})).server == management(login=HttpLogin((basic("u", "p@"),)))
    own = asked(scaler({"host": host}, {"username": "a", "password": "b"})).server
    assert own == management(login=HttpLogin((basic("a", "b"),)))
    client = OAuthClient("https://idp/token", "c", "s", ("x", "y"), (("audience", "rabbit"),))
    auth = {
        "oauthTokenURI": "https://idp/token",
        "clientID": "c",
        "clientSecret": "s",
        "scope": "x,y",
        "endpointParams": "audience=rabbit",
    }
    login = HttpLogin(oauth=client)
    for more, verified in ({}, True), ({"unsafeSsl": "true"}, False):
        # The token server speaks TLS, though the broker does not.
        server = asked(scaler({"host": "http://h:15672", **more}, auth)).server
        assert server == management(login=login, tls=Tls(is_verified=verified))


def test_tls_and_time_over_http() -> None:
    server = asked(scaler({"host": "https://h", "timeout": "1500"}, CERT)).server
    assert server == management("https://h", tls=Tls("CA", "CERT", "KEY", "PW"), timeout_s=1.5)
    assert asked(scaler({"host": "https://h", "unsafeSsl": "true"})).server.http.tls == Tls(is_verified=False)
    assert server.label() == "RabbitMQ https://h"


OAUTH = {"oauthTokenURI": "https://idp/token", "clientID": "c", "clientSecret": SECRET}


@pytest.mark.parametrize(
    ("host", "auth", "path", "text"),
    [
        (
            "http://h",
            {**OAUTH, "clientSecret": ""},
            "clientSecret",
            "needs oauthTokenURI, clientID and clientSecret",
        ),
        ("http://h", {"clientID": "c"}, "oauthTokenURI", "needs oauthTokenURI, clientID and clientSecret"),
        ("http://h", {**OAUTH, "oauthTokenURI": "idp"}, "oauthTokenURI", "is not an absolute URL"),
        (
            "http://h",
            {**OAUTH, "username": "u", "password": SECRET},
            "oauthTokenURI",
            "cannot be used together",
        ),
        ("http://h", {**OAUTH, "workloadIdentityResource": "r"}, "oauthTokenURI", "cannot be used together"),
        ("amqp://h", OAUTH, "oauthTokenURI", "for protocol http alone"),
        (
            "amqp://h",
            {"workloadIdentityResource": "r"},
            "workloadIdentityResource",
            "for protocol http alone",
        ),
        ("http://h|i", {}, "host", "names no host"),
    ],
)
def test_mistakes_of_logins_are_told(host: str, auth: dict[str, str], path: str, text: str) -> None:
    told = problems({"host": host}, auth)
    assert text in told[path]
    assert SECRET not in str(told)


A = 2.0
STATS = {
    "busy": QueueStats(10, 4, 6.0, 3.0),
    "stuck": QueueStats(10, 4, 6.0, 0.0),
    "idle": QueueStats(0, 0, 0.0, 0.0),
    "few": QueueStats(2, 2, 1.0, 2.0),
    "waiting": QueueStats(3, 3, 0.0, 0.0),
}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (
            "QueueLength",
            {
                "busy": (10, True),
                "stuck": (10, True),
                "idle": (0, False),
                "few": (2, False),
                "waiting": (3, True),
            },
        ),
        (
            "MessageRate",
            {
                "busy": (6, True),
                "stuck": (6, True),
                "idle": (0, False),
                "few": (1, False),
                "waiting": (0, True),
            },
        ),
        (
            "DeliverGetRate",
            {
                "busy": (3, True),
                "stuck": (0, False),
                "idle": (0, False),
                "few": (2, False),
                "waiting": (0, False),
            },
        ),
        (
            "PublishedToDeliveredRatio",
            {
                "busy": (2, False),
                "stuck": (A, True),
                "idle": (0, False),
                "few": (0.5, False),
                "waiting": (0, False),
            },
        ),
        (
            "ExpectedQueueConsumptionTime",
            {
                "busy": (1 + 10 / 3, True),
                "stuck": (A, True),
                "idle": (0, False),
                "few": (0.5, False),
                "waiting": (A, True),
            },
        ),
    ],
)
def test_each_mode_has_its_number_and_its_activity(
    mode: str, expected: dict[str, tuple[float, bool]]
) -> None:
    metadata = {"host": "http://h", "mode": mode, "value": "1", "activationValue": f"{A:g}"}
    made = scaler(metadata)
    for name, (value, is_active) in expected.items():
        measured = drive(made.measure(ASK, datetime.now(UTC)), lambda _: STATS[name])  # noqa: B023
        assert measured == Measured((pytest.approx(value),), is_active), name


def test_ready_messages_alone() -> None:
    made = scaler({"host": "http://h", "excludeUnacknowledged": "true"})
    assert drive(made.measure(ASK, datetime.now(UTC)), lambda _: STATS["busy"]) == Measured((4,), True)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("", 15), ("sum", 15), ("max", 10), ("avg", 5)],
)
def test_queues_that_match_become_one_number(operation: str, expected: float) -> None:
    made = scaler({"host": "http://h/v", "useRegex": "true", "operation": operation, "pageSize": "7"})
    assert asked(made) == MatchingQueues(management("http://h"), "v", "jobs", 7)
    found = (STATS["busy"], STATS["few"], STATS["waiting"])
    assert drive(made.measure(ASK, datetime.now(UTC)), lambda _: found) == Measured((expected,), True)


def test_an_average_of_messages_is_whole_and_of_rates_is_not() -> None:
    found = (QueueStats(1, 1, 1.0, 1.0), QueueStats(2, 2, 2.0, 2.0))
    metadata = {"host": "http://h", "useRegex": "true", "operation": "avg", "value": "1"}
    values = {}
    for mode in ("QueueLength", "MessageRate", "DeliverGetRate"):
        made = scaler({**metadata, "mode": mode})
        values[mode] = drive(made.measure(ASK, datetime.now(UTC)), lambda _: found).values
    assert values == {"QueueLength": (1,), "MessageRate": (1.5,), "DeliverGetRate": (1.5,)}


def test_no_queue_that_matches_is_nothing_to_do() -> None:
    made = scaler({"host": "http://h", "useRegex": "true", "operation": "avg"})
    assert drive(made.measure(ASK, datetime.now(UTC)), lambda _: ()) == Measured((0,), False)


@pytest.mark.parametrize("is_regex", [False, True])
@pytest.mark.parametrize("answer", [None, "", 7, {}, [], (7,), object()])
def test_a_strange_answer_is_malformed_and_never_a_zero(is_regex: bool, answer: Any) -> None:
    made = scaler({"host": "http://h", "useRegex": str(is_regex)})
    with pytest.raises(Malformed):
        drive(made.measure(ASK, datetime.now(UTC)), lambda _: answer)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, True),
        ({"queueLength": "5"}, True),
        ({"mode": "QueueLength", "value": "5"}, True),
        ({"mode": "MessageRate", "value": "5"}, False),
        ({"mode": "DeliverGetRate", "value": "5"}, False),
    ],
)
def test_workers_take_away_messages_and_no_rates(metadata: dict[str, str], expected: bool) -> None:
    assert scaler({"host": "http://h", **metadata}).consumes() is expected
