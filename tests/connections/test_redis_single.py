"""One real Redis: batches, logins, keys of all kinds, and everything a network does to us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts.proxy import Proxy
from parts.redis_servers import RedisProcess
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.redis.single import SingleConnection
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.systems.redis import Login, RedisLength, RedisServer
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("redis-single")]

PASSWORD = "hunter2-hunter2"
NOBODY = Login()


Connect = Callable[..., SingleConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def server(start_redis: Callable[..., RedisProcess]) -> RedisProcess:
    """Redis with one key of each kind, and users who may do less and less."""
    server = start_redis()
    server.call("RPUSH", "list", 1, 2, 3)
    server.call("SADD", "set", 1, 2)
    server.call("ZADD", "zset", 1, "a", 2, "b", 3, "c", 4, "d")
    server.call("HSET", "hash", "a", 1)
    server.call("SET", "string", "text")
    server.call("XADD", "stream", "*", "a", 1)
    reading = ("+type", "+llen", "+scard", "+zcard", "+hlen")
    server.call("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", *reading)
    server.call("ACL", "SETUSER", "scripter", "on", f">{PASSWORD}", "~*", "+eval", *reading)
    server.call("ACL", "SETUSER", "narrow", "on", f">{PASSWORD}", "~l*", "+eval", *reading)
    return server


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters: `connect(address, login, database=…, timeout_s=…)`; they end with the test."""
    made: list[SingleConnection] = []

    def make(address: str, login: Login = NOBODY, *, database: int = 0, **around: Any) -> SingleConnection:
        surroundings = Surroundings(**{"timeout_s": 5.0, **around})
        value = RedisServer((address,), database=database, login=login)
        made.append(SingleConnection(value, surroundings))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def lengths(*keys: str) -> list[RedisLength]:
    return [RedisLength(RedisServer(("any:1",)), key) for key in keys]


WAYS = pytest.mark.parametrize("user", ["", "scripter", "reader"], ids=["script", "script by user", "pairs"])


def login(user: str) -> Login:
    return Login(user, PASSWORD) if user else Login()


@WAYS
async def test_each_kind_of_key_has_its_length(server: RedisProcess, connect: Connect, user: str) -> None:
    adapter = connect(server.address, login(user))
    for _ in range(2):
        answers = await adapter.answer(lengths("list", "set", "zset", "hash", "missing"))
        assert answers == [3, 2, 4, 1, 0]


@WAYS
async def test_a_key_without_a_length_fails_alone(server: RedisProcess, connect: Connect, user: str) -> None:
    adapter = connect(server.address, login(user))
    first, string, stream, last = await adapter.answer(lengths("list", "string", "stream", "hash"))
    assert (first, last) == (3, 1)
    for answer, kind in ((string, "string"), (stream, "stream")):
        assert isinstance(answer, Malformed)
        assert f"unsupported key type: {kind}" in str(answer)
        assert f"the length of key {kind}" in str(answer)


@WAYS
async def test_a_thousand_keys_are_one_round_trip_on_one_connection(
    server: RedisProcess, connect: Connect, proxy_for: ProxyFor, user: str
) -> None:
    proxy = await proxy_for(server.port)
    adapter = connect(proxy.address, login(user))
    questions = lengths(*("list", "hash") * 500)
    assert adapter.batch == len(questions)
    for _ in range(2):  # log in, find out that scripts are refused, learn which key is a hash
        await adapter.answer(questions)
    before = (proxy.turns, adapter.round_trips)
    for _ in range(3):
        assert await adapter.answer(questions) == [3, 1] * 500
    assert (proxy.turns, adapter.round_trips) == (before[0] + 3, before[1] + 3)
    assert (proxy.connections, adapter.connections) == (1, 1)


async def test_a_key_the_user_may_not_read_is_denied_alone(server: RedisProcess, connect: Connect) -> None:
    adapter = connect(server.address, login("narrow"))
    for _ in range(2):
        allowed, forbidden = await adapter.answer(lengths("list", "set"))
        assert allowed == 3
        assert isinstance(forbidden, Denied)
        assert "key set" in str(forbidden)


async def test_a_key_may_become_another_kind(server: RedisProcess, connect: Connect) -> None:
    adapter = connect(server.address, login("reader"))
    for command, length in ((("HSET", "turning", "a", 1, "b", 2), 2), (("RPUSH", "turning", 1), 1)):
        server.call("DEL", "turning")
        server.call(*command)
        assert await adapter.answer(lengths("turning")) == [length]
    server.call("DEL", "turning")
    assert await adapter.answer(lengths("turning")) == [0]


async def test_the_database_is_selected(server: RedisProcess, connect: Connect) -> None:
    server.call(
        "EVAL", "redis.call('SELECT', 3) redis.call('DEL', 'there') redis.call('RPUSH', 'there', 1)", 0
    )
    questions = lengths("there", "list")
    assert await connect(server.address, database=3).answer(questions) == [1, 0]
    assert await connect(server.address).answer(questions) == [0, 3]


async def test_a_question_of_another_system_is_refused_alone(server: RedisProcess, connect: Connect) -> None:
    other, length = await connect(server.address).answer([PodCount("shop", "app=web"), *lengths("list")])
    assert isinstance(other, Unsupported)
    assert length == 3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Login(), "it wants a login, and no password was given; give `password`"),
        (Login("", "hunter2-wrong"), "not accepted; check `username` and `password`"),
        (Login("reader", "hunter2-wrong"), "not accepted; check `username` and `password`"),
        (Login("nobody", PASSWORD), "not accepted; check `username` and `password`"),
    ],
    ids=["none", "password", "password of a user", "user"],
)
async def test_whom_the_server_does_not_know_is_denied(
    start_redis: Callable[..., RedisProcess], connect: Connect, wrong: Login, told: str
) -> None:
    server = start_redis("--requirepass", PASSWORD, password=PASSWORD)
    adapter = connect(server.address, wrong)
    for _ in range(2):
        with pytest.raises(Denied, match=f"{server.address}: .*{told}") as caught:
            await adapter.answer(lengths("list"))
        assert "hunter2" not in str(caught.value)
    assert await connect(server.address, Login("", PASSWORD)).answer(lengths("list")) == [0]
    server.stop()


async def test_a_password_for_a_server_without_one_is_denied(server: RedisProcess, connect: Connect) -> None:
    with pytest.raises(Denied, match="a password was given, and the server has none; leave out `password`"):
        await connect(server.address, Login("", PASSWORD)).answer(lengths("list"))


async def test_a_server_that_repeats_what_it_was_sent_gives_no_password_away(
    start_redis: Callable[..., RedisProcess], connect: Connect
) -> None:
    server = start_redis("--rename-command", "AUTH", "")
    (answer,) = await connect(server.address, Login("", PASSWORD)).answer(lengths("list"))
    assert isinstance(answer, Malformed)
    assert "unknown command" in str(answer)
    assert "hunter2" not in str(answer)
    server.stop()


async def test_a_server_that_is_down_is_named_and_found_again(
    start_redis: Callable[..., RedisProcess], connect: Connect
) -> None:
    server = start_redis()
    adapter = connect(server.address)
    assert await adapter.answer(lengths("list")) == [0]
    server.stop()
    for _ in range(2):
        with pytest.raises(Unreachable, match=f"{server.address}: connection refused; check that"):
            await adapter.answer(lengths("list"))
    server.start()
    assert await adapter.answer(lengths("list")) == [0]
    server.stop()


async def test_a_host_that_has_no_address_is_named(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=r"nowhere\.invalid:6379"):
        await connect("nowhere.invalid:6379").answer(lengths("list"))


async def test_an_address_that_the_policy_forbids_is_not_dialled(
    server: RedisProcess, connect: Connect
) -> None:
    connections = server.call("INFO", "stats")["total_connections_received"]
    for host in ("127.0.0.1", "localhost", "redis.shop"):
        adapter = connect(
            f"{host}:{server.port}",
            policy=AddressPolicy.on_a_cluster(),
            resolve=lambda name: name.replace("redis.shop", "127.0.0.1"),
        )
        (answer,) = await adapter.answer(lengths("list"))
        assert isinstance(answer, Misconfigured)
        assert "own loopback, which triggers may not ask" in str(answer)
    assert server.call("INFO", "stats")["total_connections_received"] == connections + 1
    allowed = AddressPolicy.on_a_cluster(["127.0.0.0/8", "::1"])
    assert await connect(f"localhost:{server.port}", policy=allowed).answer(lengths("list")) == [3]


async def test_the_name_is_resolved_before_it_is_dialled(server: RedisProcess, connect: Connect) -> None:
    names = {"redis.shop": "127.0.0.1", "other.shop": "127.0.0.1"}
    adapter = connect(f"redis.shop:{server.port}", resolve=lambda host: names.get(host, host))
    assert await adapter.answer(lengths("list")) == [3]
    dead = connect("other.shop:1", resolve=lambda host: names.get(host, host))
    with pytest.raises(Unreachable, match=r"other\.shop:1 \(127\.0\.0\.1\)"):
        await dead.answer(lengths("list"))


async def test_a_server_that_says_nothing_is_given_up_and_asked_again_later(
    server: RedisProcess, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    adapter = connect(proxy.address, timeout_s=0.2)
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        await adapter.answer(lengths("list"))
    proxy.mode = "pass"
    assert await adapter.answer(lengths("list")) == [3]


async def test_tls_to_a_plain_port_is_told(server: RedisProcess) -> None:
    value = RedisServer((server.address,), tls=Tls(is_verified=False))
    adapter = SingleConnection(value, Surroundings(timeout_s=0.2))
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s; .* and that this port speaks TLS"):
        await adapter.answer(lengths("list"))
    await adapter.close()


async def test_a_login_that_is_never_answered_is_given_up(
    server: RedisProcess, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        await connect(proxy.address, login("reader"), timeout_s=0.2).answer(lengths("list"))


async def test_a_connection_that_was_cut_in_between_is_not_noticed(
    server: RedisProcess, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    adapter = connect(proxy.address)
    for _ in range(3):
        assert await adapter.answer(lengths("list")) == [3]
        proxy.cut()
    assert adapter.connections == 3


async def test_a_connection_cut_in_the_middle_is_tried_once_more(
    server: RedisProcess, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    adapter = connect(proxy.address)
    await adapter.answer(lengths("list"))
    proxy.mode = "stall"
    proxy.heard.clear()
    asking = asyncio.ensure_future(adapter.answer(lengths("list")))
    await proxy.heard.wait()
    proxy.mode = "pass"
    proxy.cut()
    assert await asking == [3]


async def test_garbage_is_malformed_and_the_connection_is_not_used_again(
    server: RedisProcess, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    adapter = connect(proxy.address)
    assert await adapter.answer(lengths("list")) == [3]
    proxy.mode = "garble"
    answers = await adapter.answer(lengths("list", "set"))
    assert [type(answer) for answer in answers] == [Malformed, Malformed]
    proxy.mode = "pass"
    assert await adapter.answer(lengths("list", "set")) == [3, 2]
    assert adapter.connections == 2


async def test_an_answer_that_nobody_waits_for_is_never_taken_for_the_next(
    server: RedisProcess, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(server.port)
    adapter = connect(proxy.address)
    await adapter.answer(lengths("list"))
    proxy.heard.clear()
    asking = asyncio.ensure_future(adapter.answer(lengths("list", "set")))
    await proxy.heard.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await adapter.answer(lengths("zset", "hash")) == [4, 1]


async def test_questions_at_the_same_time_get_their_own_answers(
    server: RedisProcess, connect: Connect
) -> None:
    adapter = connect(server.address)
    keys = ("list", "set", "zset", "hash") * 5
    answers = await asyncio.gather(*(adapter.answer(lengths(key)) for key in keys))
    assert [answer[0] for answer in answers] == [3, 2, 4, 1] * 5
    assert adapter.connections == 1


async def test_closing_is_safe_before_opening_and_twice(server: RedisProcess, connect: Connect) -> None:
    adapter = connect(server.address)
    await adapter.close()
    assert await adapter.answer(lengths("list")) == [3]
    await adapter.close()
    await adapter.close()
    assert await adapter.answer(lengths("list")) == [3]


@asynccontextmanager
async def replying(reply: bytes, *, then_closes: bool = False) -> AsyncIterator[str]:
    """The address of a server whose only words, whatever it is asked, are `reply`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10000)
        writer.write(reply)
        await writer.drain()
        if not then_closes:
            await reader.read(1)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def test_a_server_that_is_not_redis_is_malformed(connect: Connect) -> None:
    async with replying(b"HTTP/1.1 400 Bad Request\r\n\r\n", then_closes=True) as address:
        (answer,) = await connect(address).answer(lengths("list"))
        assert isinstance(answer, Malformed)
        assert "not the Redis protocol" in str(answer)


async def test_a_server_that_lets_nobody_stay_is_unreachable(connect: Connect) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="the connection was closed"):
            await connect(f"127.0.0.1:{port}").answer(lengths("list"))


@pytest.mark.parametrize(
    "reply", [b"*1\r\n:1\r\n", b":7\r\n", b"$2\r\nhi\r\n", b"*-1\r\n", b"+OK\r\n", b"*2\r\n$-1\r\n*0\r\n"]
)
async def test_a_reply_of_another_shape_is_malformed_and_never_a_zero(connect: Connect, reply: bytes) -> None:
    async with replying(reply) as address:
        adapter = connect(address)
        answers = await adapter.answer(lengths("list", "set"))
        assert [type(answer) for answer in answers] == [Malformed, Malformed]
        await adapter.close()


@pytest.mark.parametrize(
    "reply", [b"-LOADING Redis is loading the dataset in memory\r\n", b"-MASTERDOWN Link is down\r\n"]
)
async def test_a_server_that_is_not_ready_is_unreachable_as_a_whole(connect: Connect, reply: bytes) -> None:
    async with replying(reply) as address:
        adapter = connect(address)
        with pytest.raises(Unreachable):
            await adapter.answer(lengths("list"))
        await adapter.close()


async def test_a_server_in_protected_mode_denies_everybody(connect: Connect) -> None:
    denied = b"-DENIED Redis is running in protected mode because no password is set\r\n"
    async with replying(denied, then_closes=True) as address:
        adapter = connect(address)
        with pytest.raises(Denied, match="protected mode"):
            await adapter.answer(lengths("list"))
