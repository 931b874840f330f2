"""The Redis list triggers: which server they name, what they ask, which mistakes they tell."""

from __future__ import annotations

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scaler, Scope
from tidegate.kit.systems.redis import Login, RedisAccess, RedisLength, RedisServer
from tidegate.kit.tls import Tls

BASE = {"listName": "jobs", "address": "redis:6379"}


def build(
    kind: str, metadata: dict[str, str], auth: dict[str, str] | None = None, env: dict[str, str] | None = None
) -> Scaler | tuple[Problem, ...]:
    found = scalers.find(kind)
    assert found is not None
    trigger = Trigger(type=kind, metadata=metadata)
    return reading.build(found, trigger, Sources(metadata, env or {}, auth or {}), Scope("shop"))


def server(
    metadata: dict[str, str],
    auth: dict[str, str] | None = None,
    *,
    kind: str = "redis",
    env: dict[str, str] | None = None,
) -> RedisServer:
    scaler = build(kind, {"listName": "jobs", **metadata}, auth, env)
    assert isinstance(scaler, RedisAccess), scaler
    return scaler.server()


@pytest.mark.parametrize(
    ("metadata", "addresses"),
    [
        ({"address": "a:1"}, ("a:1",)),
        ({"addresses": "a:1, b:2"}, ("a:1", "b:2")),
        ({"host": "a", "port": "1"}, ("a:1",)),
        ({"hosts": "a,b", "ports": "1, 2"}, ("a:1", "b:2")),
        ({"hosts": "::1,[fe80::1]", "port": "1,2"}, ("[::1]:1", "[fe80::1]:2")),
        ({"address": "a:1", "host": "b", "port": "2"}, ("a:1", "b:2")),
        ({"address": "a:1", "host": "b"}, ("a:1",)),
        ({"addresses": ":7001, :7002"}, ("localhost:7001", "localhost:7002")),
        ({"hosts": ",b", "ports": "1,2"}, ("localhost:1", "b:2")),
        ({"address": "a:1,"}, ("a:1",)),
        ({"addressesFromEnv": "WHERE"}, ("e:1",)),
        ({"hostFromEnv": "HOST", "port": "1"}, ("eh:1",)),
    ],
)
def test_addresses_come_from_either_form(metadata: dict[str, str], addresses: tuple[str, ...]) -> None:
    env = {"WHERE": "e:1", "HOST": "eh"}
    assert server(metadata, kind="redis-cluster", env=env).addresses == addresses
    assert server(metadata, env=env).addresses == addresses[:1]


def test_the_three_types_name_three_kinds_of_server() -> None:
    metadata = {"address": "a:1", "databaseIndex": "2", "sentinelMaster": "main", "sentinelPassword": "s"}
    auth = {"username": "u", "password": "p"}
    login = Login("u", "p")
    assert server(metadata, auth) == RedisServer(("a:1",), "single", 2, login)
    assert server(metadata, auth, kind="redis-cluster") == RedisServer(("a:1",), "cluster", 0, login)
    assert server(metadata, auth, kind="redis-sentinel") == RedisServer(
        ("a:1",), "sentinel", 2, login, master="main", sentinel_login=Login("", "s")
    )


def test_without_a_password_nobody_logs_in() -> None:
    assert server({"address": "a:1", "username": "u"}).login == Login()


def test_a_negative_database_is_the_first_one() -> None:
    assert server({"address": "a:1", "databaseIndex": "-1"}).database == 0


@pytest.mark.parametrize(
    ("metadata", "auth", "tls"),
    [
        ({}, {"ca": "C"}, None),
        ({"enableTLS": "false"}, {}, None),
        ({"unsafeSsl": "true"}, {}, None),
        ({}, {"tls": "disable"}, None),
        ({"enableTLS": "true"}, {}, Tls()),
        (
            {"unsafeSsl": "true"},
            {"tls": "enable", "ca": "C", "Cert": "D", "key": "K", "keyPassword": "P"},
            Tls("C", "D", "K", "P", is_verified=False),
        ),
    ],
)
def test_tls_is_spoken_only_where_it_is_switched_on(
    metadata: dict[str, str], auth: dict[str, str], tls: Tls | None
) -> None:
    assert server({"address": "a:1", **metadata}, auth).tls == tls


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({"address": ""}, {}, "address", "no addresses or hosts given"),
        (
            {"address": "", "host": "a"},
            {},
            "address",
            "no addresses or hosts given. address should be a comma separated list of host:port or set the "
            "host/port values: host is given without port",
        ),
        ({"address": "", "port": "1"}, {}, "address", "host/port values: port is given without host"),
        ({"address": ":"}, {}, "address", '":" is not host:port'),
        ({"address": ","}, {}, "address", "no address is left"),
        ({"hosts": "a,b", "ports": "1"}, {}, "host", "not enough hosts or ports given"),
        ({"address": "a:1,b"}, {}, "address", '"b" is not host:port'),
        ({"host": "b", "port": "x"}, {}, "host", '"b:x" is not host:port'),
        ({"address": "redis://u:hunter2@a:1"}, {}, "address", "address 1 is not host:port"),
        ({"enableTLS": "false"}, {"tls": "disable"}, "enableTLS", "in both ScaledObject and Trigger"),
        ({"enableTLS": "on"}, {}, "enableTLS", '"on" is not true or false'),
        ({}, {"tls": "on"}, "tls", "is not one of enable, disable"),
        ({"listLength": "5.5"}, {}, "listLength", '"5.5" is not a whole number'),
        ({"databaseIndex": "one"}, {}, "databaseIndex", '"one" is not a number'),
    ],
)
@pytest.mark.parametrize("kind", ["redis", "redis-cluster"])
def test_a_mistake_is_told(
    kind: str, metadata: dict[str, str], auth: dict[str, str], path: str, message: str
) -> None:
    problems = build(kind, {**BASE, **metadata}, auth)
    assert isinstance(problems, tuple)
    assert [problem.path for problem in problems] == [path]
    assert message in problems[0].message
    assert "hunter2" not in problems[0].message


def test_sentinels_need_the_name_of_a_master() -> None:
    problems = build("redis-sentinel", BASE)
    assert isinstance(problems, tuple)
    assert [problem.path for problem in problems] == ["sentinelMaster"]


@pytest.mark.parametrize(
    ("name", "metric"),
    [("queue:high", "redis-queue-high"), ("{a}b", "redis-{a}b"), ("a/b.c%(d)", "redis-a-b-c--d-")],
)
@pytest.mark.parametrize("kind", ["redis", "redis-cluster"])
def test_the_metric_is_named_after_the_list(kind: str, name: str, metric: str) -> None:
    scaler = build(kind, {**BASE, "listName": name})
    assert isinstance(scaler, RedisAccess)
    assert scaler.metric_name() == metric


def test_it_asks_its_server_for_the_length_of_its_key() -> None:
    scaler = build("redis", {**BASE, "listLength": "0", "activationListLength": "4"})
    assert isinstance(scaler, RedisAccess)
    answers = {RedisLength(RedisServer(("redis:6379",)), "jobs"): 12}
    assert drive(scaler.measure(ASK, None), answers.__getitem__) == 12  # type: ignore[arg-type]
    assert (scaler.metric_target(), scaler.activation_target()) == (0, 4)
